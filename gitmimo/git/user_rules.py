"""The user's own ignore rules and content filters, kept apart from what a repository or an agent defines.

A filter is a program that git starts on a file's content. A repository's own configuration may define one, and an
agent's `.gitattributes` may switch one on. Both are kept from running: definitions below user level are overridden, and
filters that the trusted attributes don't name are emptied. Not covered: attributes in the user's own global file.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gitmimo.git.run import run_git

_PARTS = ("clean", "smudge", "process", "required")
_KEYS = r"^(filter\.|core\.(excludesfile|attributesfile)$)"
_USER_SCOPES = frozenset({"system", "global"})


@dataclass(frozen=True, slots=True, kw_only=True)
class UserRules:
    """The user's own rules, as they were when first read.

    `ignore` has the rules of core.excludesFile and then of info/exclude, `attributes` the same for attributes.
    `user_filters` maps each filter to its parts at user level, `redefined` names those that the repository's own
    configuration defines.
    """

    ignore: bytes = b""
    attributes: bytes = b""
    user_filters: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    redefined: frozenset[str] = frozenset()

    @property
    def filters_used(self) -> frozenset[str]:
        """The filters that the user's own attributes name."""
        return filters_named(self.attributes)

    @property
    def has_filters(self) -> bool:
        return bool(self.user_filters or self.redefined)

    def filter_switches(self, used: frozenset[str]) -> tuple[str, ...]:
        """Return git's switches under which only user-level definitions of the filters in `used` remain."""
        return tuple(word for setting in self._settings(used) for word in ("-c", setting))

    def _settings(self, used: frozenset[str]) -> Iterator[str]:
        for name in sorted(self.user_filters.keys() | self.redefined):
            if name in used and name not in self.redefined:
                continue
            allowed = self.user_filters.get(name, {}) if name in used else {}
            for part in _PARTS:
                yield f"filter.{name}.{part}={allowed.get(part, 'false' if part == 'required' else '')}"


def read_user_rules(common_dir: Path) -> UserRules:
    """Read the configuration and the files that it names."""
    listed = run_git(
        ["config", "-z", "--show-scope", "--get-regexp", _KEYS],
        git_dir=common_dir,
        cwd=common_dir,
        check=False,  # exit code 1: nothing is set
    ).text.split("\0")
    user_filters: dict[str, dict[str, str]] = {}
    redefined: set[str] = set()
    files = {"core.excludesfile": _default_file("ignore"), "core.attributesfile": _default_file("attributes")}
    for scope, pair in zip(listed[0::2], listed[1::2], strict=False):
        key, _, value = pair.partition("\n")
        if key in files:
            files[key] = Path(value).expanduser()
            continue
        name, _, part = key.partition(".")[2].rpartition(".")
        if scope in _USER_SCOPES:
            user_filters.setdefault(name, {})[part] = value
        else:
            redefined.add(name)
    return UserRules(
        ignore=_read(files["core.excludesfile"]) + b"\n" + _read(common_dir / "info/exclude"),
        attributes=_read(files["core.attributesfile"]) + b"\n" + _read(common_dir / "info/attributes"),
        user_filters=user_filters,
        redefined=frozenset(redefined),
    )


def filters_named(attributes: bytes) -> frozenset[str]:
    """Return the names that `filter=` has in the text of a `.gitattributes` file."""
    return frozenset(
        os.fsdecode(word.removeprefix(b"filter="))
        for line in attributes.splitlines()
        if not line.lstrip().startswith(b"#")
        for word in line.split()
        if word.startswith(b"filter=")
    )


def _default_file(name: str) -> Path:
    home = os.environ.get("XDG_CONFIG_HOME")
    return (Path(home) if home else Path.home() / ".config") / "git" / name


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # absent, a directory, unreadable: git passes over these too
        return b""
