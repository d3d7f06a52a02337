"""The tree that is tested: the product with everything that judges it taken from base."""

import configparser
import json
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from gitmimo.evaluator.protected import ProtectedPaths, is_dependency_file
from gitmimo.evaluator.review_flags import REVIEW, weakened_tests
from gitmimo.evaluator.testbed import TestBed
from gitmimo.evidence import DiffFacts
from gitmimo.git.repository import Repository
from gitmimo.git.trees import restore_paths, write_files
from gitmimo.mimo_dir import with_mimo_from
from gitmimo.records import Oid
from gitmimo.text import escape_controls

_TOML_TABLES = (("tool", "pytest"), ("tool", "coverage"), ("tool", "tox"), ("tool", "nox"), ("tool", "hatch", "envs"))
_INI_SECTIONS = re.compile(r"tool:pytest|pytest|tox|testenv.*|coverage:.*|aliases|nosetests|unittest")
_JSON_KEYS = ("jest", "vitest", "mocha", "ava", "tap", "c8", "nyc", "wtr")
_JSON_SCRIPTS = re.compile(r"(?:pre|post)?test(?::.*)?|(?:pre|post)install|prepare")


@dataclass(frozen=True, slots=True, kw_only=True)
class TestedTree:
    """`tree` is what base's suite runs on; `product` is what the candidate left.

    `new_tests` are files of tests that base does not have, `changed_tests` those of base that the candidate changed or
    deleted, and new ones that tell pytest how to run. Both are run apart, and land apart. What else is protected is
    base's in every tree: `restored_paths` names all that differed.
    """

    __test__ = False

    tree: Oid
    product: Oid
    restored_paths: tuple[str, ...] = ()
    new_tests: tuple[str, ...] = ()
    changed_tests: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()

    @property
    def test_paths(self) -> tuple[str, ...]:
        """All that the candidate did to tests."""
        return (*self.new_tests, *self.changed_tests)


def build_tested_tree(testbed: TestBed, product: Oid, diff: DiffFacts) -> TestedTree:
    """Put the base's protected paths over the product, and the base's test configuration into shared files."""
    repository, base = testbed.repository, testbed.base
    changed = {change.path for change in diff.files} | {change.old_path for change in diff.files if change.old_path}
    protected = ProtectedPaths(
        (entry.path for entry in repository.list_paths(base)),
        changed=changed,
        extra=testbed.protected,
        exempt=testbed.unprotected,
        commands=testbed.commands,
        judging=testbed.judging,
    )
    tree = with_mimo_from(repository, product, base)
    tree, restored = restore_paths(repository, tree, repository.tree_of(base), protected.is_protected)
    merged: dict[str, bytes | None] = {}
    for path in sorted(path for path in changed if is_shared(path)):
        before, after = repository.read_blob(base, path), repository.read_blob(product, path)
        if after is None and path.endswith("package.json"):
            continue  # without it there is nothing to configure
        wanted = with_base_config(path, before, after or b"")
        if wanted != (after or b""):
            merged[path] = wanted
    tree = write_files(repository, tree, merged) if merged else tree
    tests = [path for path in restored if protected.is_test(path)]
    new = tuple(p for p in tests if repository.find_entry(base, p) is None and not p.endswith("conftest.py"))
    return TestedTree(
        tree=tree,
        product=product,
        restored_paths=tuple(sorted({*restored, *merged})),
        new_tests=new,
        changed_tests=tuple(path for path in tests if path not in new),
        flags=_flags(repository, base, product, protected, restored, tuple(merged), changed),
    )


def with_own_tests(repository: Repository, tested: TestedTree, paths: Iterable[str]) -> Oid:
    """The tested tree with some paths as the candidate left them."""
    wanted = set(paths)
    return restore_paths(repository, tested.tree, tested.product, wanted.__contains__)[0] if wanted else tested.tree


def _flags(
    repository: Repository,
    base: Oid,
    product: Oid,
    protected: ProtectedPaths,
    restored: tuple[str, ...],
    merged: tuple[str, ...],
    changed: set[str],
) -> tuple[str, ...]:
    flags: list[str] = []
    for path in restored:
        shown = escape_controls(path, newlines=False)
        before, after = repository.read_blob(base, path), repository.read_blob(product, path)
        if protected.is_test(path):
            runs_first = path.endswith("__init__.py") and (after or b"").strip()
            if before is None and (path.endswith("conftest.py") or runs_first):
                flags.append(f"{REVIEW}tells pytest how to run the tests: `{shown}`")
            if protected.is_named(path):
                flags.append(f"{REVIEW}is named by the command that decides: `{shown}`")
            flags += weakened_tests(path, before, after) if before is not None else ()
        else:
            flags.append(f"{REVIEW}changes what tests or CI do: `{shown}`")
    flags += [f"{REVIEW}changes test configuration: `{escape_controls(path, newlines=False)}`" for path in merged]
    allowed = sorted(path for path in changed if protected.is_exempt(path))
    flags += [f"changes a test as you allow: `{escape_controls(path, newlines=False)}`" for path in allowed]
    dependencies = sorted(path for path in changed if is_dependency_file(path))
    return (*flags, *(f"may change dependencies: `{escape_controls(path, newlines=False)}`" for path in dependencies))


# --- files that hold both test configuration and the product's own ----------------------------------------------


def is_shared(path: str) -> bool:
    """Whether a file holds both."""
    return PurePosixPath(path).name in ("pyproject.toml", "setup.cfg", "package.json")


def with_base_config(path: str, base: bytes | None, product: bytes) -> bytes:
    """The product's file with the base's test configuration; the product's own bytes when that is equal already.

    When the two can't be put together so that the result reads as wanted, the base's whole file is used.
    """
    name = PurePosixPath(path).name
    if name != "setup.cfg" and not _is_valid(name, product):
        return product  # whatever reads it will refuse it
    merge = {"pyproject.toml": _merge_toml, "setup.cfg": _merge_ini, "package.json": _merge_json}[name]
    try:
        return merge(base or b"", product)
    except (ValueError, KeyError, TypeError, AttributeError, configparser.Error):
        return base or b""


def _is_valid(name: str, data: bytes) -> bool:
    try:
        document = json.loads(data) if name == "package.json" else tomllib.loads(data.decode())
    except ValueError:
        return False
    return isinstance(document, dict)


# --- pyproject.toml --------------------------------------------------------------------------------------------------


def _merge_toml(base: bytes, product: bytes) -> bytes:
    old, new = tomllib.loads(base.decode()), tomllib.loads(product.decode())
    wanted, rest = _split_toml(old)[0], _split_toml(new)[1]
    if _split_toml(new)[0] == wanted:
        return product
    kept = "".join(text for key, text in _toml_blocks(product.decode()) if not _is_test_table(key))
    added = "".join(text for key, text in _toml_blocks(base.decode()) if _is_test_table(key))
    merged = kept.rstrip("\n") + "\n\n" + added
    if _split_toml(tomllib.loads(merged)) != (wanted, rest):
        raise ValueError("the sections cannot be told apart")
    return merged.encode()


def _split_toml(document: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The tables of test configuration, and a copy of the document without them."""
    rest: dict[str, Any] = json.loads(json.dumps(document, default=str))
    taken: dict[str, Any] = {}
    for table in _TOML_TABLES:
        node: Any = rest
        for part in table[:-1]:
            node = node.get(part) if isinstance(node, dict) else None
        if isinstance(node, dict) and table[-1] in node:
            taken[".".join(table)] = node.pop(table[-1])
    for parent in (("tool", "hatch"), ("tool",)):
        holder: Any = rest
        for part in parent[:-1]:
            holder = holder.get(part, {})
        if isinstance(holder, dict) and holder.get(parent[-1]) == {}:
            del holder[parent[-1]]
    return taken, rest


def _toml_blocks(text: str) -> list[tuple[str, str]]:
    """Pieces of the text, each from one table header to the next, with the header's dotted key."""
    blocks: list[tuple[str, list[str]]] = [("", [])]
    for line in text.splitlines(keepends=True):
        if header := re.match(r"\[\[?\s*([^\]]+?)\s*\]\]?\s*(?:#.*)?$", line):
            blocks.append((re.sub(r"\s*\.\s*", ".", header[1]).replace('"', ""), []))
        blocks[-1][1].append(line)
    return [(key, "".join(lines)) for key, lines in blocks]


def _is_test_table(key: str) -> bool:
    return any(key == ".".join(table) or key.startswith(".".join(table) + ".") for table in _TOML_TABLES)


# --- setup.cfg -------------------------------------------------------------------------------------------------------


def _merge_ini(base: bytes, product: bytes) -> bytes:
    old, new = _parse_ini(base), _parse_ini(product)
    wanted = {name: old[name] for name in old if _INI_SECTIONS.fullmatch(name)}
    if {name: new[name] for name in new if _INI_SECTIONS.fullmatch(name)} == wanted:
        return product
    kept = "".join(text for name, text in _ini_blocks(product.decode()) if not _INI_SECTIONS.fullmatch(name))
    added = "".join(text for name, text in _ini_blocks(base.decode()) if _INI_SECTIONS.fullmatch(name))
    merged = (kept.rstrip("\n") + "\n\n" + added).encode()
    expected = {**{name: new[name] for name in new if not _INI_SECTIONS.fullmatch(name)}, **wanted}
    if _parse_ini(merged) != expected:
        raise ValueError("the sections cannot be told apart")
    return merged


def _parse_ini(data: bytes) -> dict[str, dict[str, str | None]]:
    parser = configparser.RawConfigParser(allow_no_value=True, strict=False)
    parser.read_string(data.decode())
    return {name: dict(parser.items(name)) for name in parser.sections()}


def _ini_blocks(text: str) -> list[tuple[str, str]]:
    blocks: list[tuple[str, list[str]]] = [("", [])]
    for line in text.splitlines(keepends=True):
        if header := re.match(r"\[([^\]]+)\]", line):
            blocks.append((header[1].strip(), []))
        blocks[-1][1].append(line)
    return [(name, "".join(lines)) for name, lines in blocks]


# --- package.json ----------------------------------------------------------------------------------------------------


def _merge_json(base: bytes, product: bytes) -> bytes:
    old, new = json.loads(base or b"{}"), json.loads(product)
    merged = json.loads(product)
    for key in _JSON_KEYS:
        _copy(old, merged, key)
    scripts = merged.setdefault("scripts", {})
    for key in {*scripts, *old.get("scripts", {})}:
        if _JSON_SCRIPTS.fullmatch(key):
            _copy(old.get("scripts", {}), scripts, key)
    if not scripts and "scripts" not in new:
        del merged["scripts"]
    return product if merged == new else (json.dumps(merged, indent=2, ensure_ascii=False) + "\n").encode()


def _copy(source: dict[str, Any], target: dict[str, Any], key: str) -> None:
    if key in source:
        target[key] = source[key]
    else:
        target.pop(key, None)
