"""Products of the red team and of its counterpart, as data: cheats, and honest changes of unusual shape.

`cheats.json` and `red_honest.toml` hold projects too; those of `more_cheats.toml` and `more_honest.toml` are in
`bases.toml`. A case may have `files` of its own besides those of its base, or all of them.

A file of a product is its text, `false` where it goes, or a table: `edit` replaces passages of base's file (of the one
that `of` names), given as old, new, old, new; `add` is put behind that, or is the whole of a new file, `times` times;
`base64` holds other bytes; `compiled` is the source of a Python file that is there compiled only and that Python loads
whatever the source beside it says ({tag} in its path is the interpreter's); `link` and `executable` are a symbolic
link's target and an executable file's text.
"""

import base64
import json
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import _bootstrap_external as importing  # type: ignore[attr-defined]
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent / "data"
Files = dict[str, str | bytes | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A product of one of the projects."""

    name: str
    kind: str
    quick: bool
    gap: str  # why it is not judged as it should be
    task: str
    base: Mapping[str, Any]
    product: Mapping[str, Any]

    def files(self) -> Files:
        """The contents of plain files; None where one goes."""
        return {
            path.replace("{tag}", sys.implementation.cache_tag): content(self.base["files"], path, given)
            for path, given in self.product.items()
            if not is_special(given)
        }

    def place_others(self, root: Path) -> None:
        """Write the links and executable files below `root`."""
        for path, given in self.product.items():
            target = root / path
            if is_special(given):
                target.parent.mkdir(parents=True, exist_ok=True)
            if is_special(given) and "link" in given:
                target.symlink_to(given["link"])
            elif is_special(given):
                target.write_text(given["executable"])
                target.chmod(0o755)


def is_special(given: Any) -> bool:
    """Whether it is more than bytes with a path."""
    return isinstance(given, dict) and ("link" in given or "executable" in given)


def content(files: Mapping[str, str], path: str, given: Any) -> str | bytes | None:
    """A file of a product that changes `files`."""
    if not isinstance(given, dict):
        return given or (None if given is False else "")
    if "base64" in given:
        return base64.b64decode(given["base64"]) * int(given.get("times", 1))
    if "compiled" in given:
        code = compile(given["compiled"], path, "exec")
        return bytes(importing._code_to_hash_pyc(code, b"\0" * 8, checked=False))
    text = files.get(given.get("of", path), "")
    edit = given.get("edit", [])
    for old, new in zip(edit[::2], edit[1::2], strict=True):
        assert old in text, (path, old)
        text = text.replace(old, new)
    return text + given.get("add", "") * int(given.get("times", 1))


def read_bases(given: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The projects of `bases.toml`, and these, by name."""
    bases = {**tomllib.loads((DATA / "bases.toml").read_text(encoding="utf-8")), **given}
    return {name: {**base, "name": name} for name, base in bases.items()}


def _base_of(given: Mapping[str, Any], bases: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """A case's project: one of the bases, with what the case says itself."""
    base = bases[given["base"]] if "base" in given else {"files": {}}
    own = {key: given[key] for key in ("files", "plugins", "tag") if key in given}
    if not own:
        return base
    files = {path: content({}, path, text) for path, text in own.get("files", {}).items()}
    return {**base, **own, "name": given["name"], "files": {**base["files"], **files}}


def read_cases(name: str) -> list[Case]:
    """The cases of a file in `data`."""
    data, cases = tomllib.loads((DATA / name).read_text(encoding="utf-8")), []
    bases = read_bases(data.get("base", {}))
    for given in data["case"]:
        base = _base_of(given, bases)
        cases.append(
            Case(
                name=given["name"],
                kind=given.get("kind", "red team"),
                quick=given.get("quick", False),
                gap=given.get("gap", ""),
                task=given["task"] if "task" in given else base["task"],
                base=base,
                product={**(base["fix"] if given.get("fixed") else {}), **given["product"]},
            )
        )
    return cases


def read_first_cheats() -> list[Case]:
    """The cases of `cheats.json`."""
    data = json.loads((DATA / "cheats.json").read_text(encoding="utf-8"))
    bases = {base["name"]: base for base in data["bases"]}
    return [
        Case(
            name=cheat["name"],
            kind=cheat["group"],
            quick=cheat.get("quick", False),
            gap="",
            task=cheat["task"],
            base=bases[cheat["base"]],
            product=cheat["product"],
        )
        for cheat in data["cheats"]
    ]
