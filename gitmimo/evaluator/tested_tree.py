"""The tree that is tested: the product with everything that judges it taken from base."""

import configparser
import json
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from gitmimo.evaluator.protected import ProtectedPaths
from gitmimo.evaluator.python_env import table_at
from gitmimo.evaluator.review_flags import REVIEW, weakened_tests
from gitmimo.evaluator.testbed import TestBed
from gitmimo.evaluator.testcommand import ReportFormat
from gitmimo.evidence import DiffFacts
from gitmimo.files import has_test_name
from gitmimo.git.repository import Repository
from gitmimo.git.trees import restore_paths, with_mimo_from, write_files
from gitmimo.ids import Oid
from gitmimo.text import quoted

_TOML_TABLES = (("tool", "pytest"), ("tool", "coverage"), ("tool", "tox"), ("tool", "nox"), ("tool", "hatch", "envs"))
_INI_SECTIONS = re.compile(r"tool:pytest|pytest|tox|testenv.*|coverage:.*|aliases|nosetests|unittest")
_TOML_HEADER = re.compile(r"^(\[\[?\s*([^\]\n]+?)\s*\]\]?[ \t]*(?:#.*)?$)", re.MULTILINE)
_JSON_KEYS = ("jest", "vitest", "mocha", "ava", "tap", "c8", "nyc", "wtr")
_JSON_SCRIPTS = re.compile(r"(?:pre|post)?test(?::.*)?|(?:pre|post)install|prepare")


@dataclass(frozen=True, slots=True, kw_only=True)
class TestedTree:
    """`tree` is what base's suite runs on; `product` is what the candidate left.

    `new_tests` are files of tests that base does not have, `changed_tests` those of base that the candidate changed or
    deleted, new ones that tell pytest how to run, and configuration that the task names. Both are run apart, and land
    apart. What else is protected is base's in every tree: `restored_paths` names all that differed.
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
    base_paths = (entry.path for entry in repository.list_paths(base))
    protected = ProtectedPaths(testbed, base_paths, changed=diff.paths)
    tree = with_mimo_from(repository, product, base)
    tree, restored = restore_paths(repository, tree, repository.tree_of(base), protected.is_protected)
    merged: dict[str, bytes | None] = {}
    for path in sorted(filter(is_shared, diff.paths)):
        before, after = repository.read_blob(base, path), repository.read_blob(product, path)
        if after is None and path.endswith("package.json"):
            continue  # without it there is nothing to configure
        wanted = with_base_config(path, before, after or b"")
        if wanted != (after or b""):
            merged[path] = wanted
    tree = write_files(repository, tree, merged) if merged else tree
    tests = [path for path in restored if protected.is_test(path)]
    asked = [path for path in (*restored, *merged) if path in testbed.asked and path not in tests]
    new = tuple(p for p in tests if repository.find_entry(base, p) is None and not p.endswith("conftest.py"))
    return TestedTree(
        tree=tree,
        product=product,
        restored_paths=tuple(sorted({*restored, *merged})),
        new_tests=new,
        changed_tests=tuple(path for path in (*tests, *asked) if path not in new),
        flags=(
            *_flags_of_restored(testbed, product, protected, restored),
            *_flags_of_changed(diff.paths, merged, protected),
        ),
    )


def with_own_tests(repository: Repository, tested: TestedTree, paths: Iterable[str]) -> Oid:
    """The tested tree with some paths as the candidate left them."""
    wanted = set(paths)
    return restore_paths(repository, tested.tree, tested.product, wanted.__contains__)[0] if wanted else tested.tree


def _flags_of_restored(
    testbed: TestBed, product: Oid, protected: ProtectedPaths, restored: Iterable[str]
) -> Iterator[str]:
    for path in restored:
        shown = quoted(path)
        before, after = (testbed.repository.read_blob(tree, path) for tree in (testbed.base, product))
        if not protected.is_test(path):
            yield f"{REVIEW}changes what tests or CI do: {shown}"
            continue
        runs_first = path.endswith("__init__.py") and (after or b"").strip()
        if before is None and (path.endswith("conftest.py") or runs_first):
            yield f"{REVIEW}tells pytest how to run the tests: {shown}"
        if protected.is_named(path) and not _is_read_by_id(testbed, path):
            yield f"{REVIEW}is named by the command that decides: {shown}"
        if before is not None:
            yield from weakened_tests(path, before, after)


def _is_read_by_id(testbed: TestBed, path: str) -> bool:
    """Whether a file is tests whose results are read one by one, so that what was added to it hides nothing."""
    is_accept = any(path in command for command in testbed.accept)
    return testbed.tests.report is not ReportFormat.NONE and has_test_name(path) and not is_accept


def _flags_of_changed(changed: Iterable[str], merged: Iterable[str], protected: ProtectedPaths) -> Iterator[str]:
    said = [(f"{REVIEW}changes test configuration", path) for path in merged]
    said += [("changes a test as you allow", path) for path in sorted(changed) if protected.is_exempt(path)]
    yield from (f"{what}: {quoted(path)}" for what, path in said)


# --- files that hold both test configuration and the product's own ----------------------------------------------


def is_shared(path: str) -> bool:
    """Whether a file holds both."""
    return PurePosixPath(path).name in _MERGES


def with_base_config(path: str, base: bytes | None, product: bytes) -> bytes:
    """The product's file with the base's test configuration; the product's own bytes when that is equal already.

    When the two can't be put together so that the result reads as wanted, the base's whole file is used. A file that
    whatever reads it will refuse stays as it is.
    """
    name = PurePosixPath(path).name
    if name != "setup.cfg" and not _is_valid(name, product):
        return product
    try:
        return _MERGES[name](base or b"", product)
    except (ValueError, KeyError, TypeError, AttributeError, configparser.Error):
        return base or b""


def _is_valid(name: str, data: bytes) -> bool:
    try:
        return isinstance(json.loads(data) if name == "package.json" else tomllib.loads(data.decode()), dict)
    except ValueError:
        return False


# --- pyproject.toml and setup.cfg ------------------------------------------------------------------------------------


def _merge_toml(base: bytes, product: bytes) -> bytes:
    """The text of the product's other tables, then that of the base's tables for tests."""
    wanted, (found, rest) = _split_toml(base.decode())[0], _split_toml(product.decode())
    if found == wanted:
        return product
    kept = "".join(text for key, text in _tables(product.decode()) if not _is_for_tests(key))
    added = "".join(text for key, text in _tables(base.decode()) if _is_for_tests(key))
    merged = kept.rstrip("\n") + "\n\n" + added
    if _split_toml(merged) != (wanted, rest):
        raise ValueError("the tables cannot be told apart")
    return merged.encode()


def _tables(text: str) -> list[tuple[str, str]]:
    """Pieces of the text, each from one header to the next, with the table's dotted name."""
    pieces = _TOML_HEADER.split(text)
    names = ["", *(re.sub(r"\s*\.\s*", ".", name).replace('"', "") for name in pieces[2::3])]
    texts = [pieces[0], *(header + inner for header, inner in zip(pieces[1::3], pieces[3::3], strict=True))]
    return list(zip(names, texts, strict=True))


def _split_toml(text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What configures tests, by dotted name, and the rest."""
    rest: dict[str, Any] = json.loads(json.dumps(tomllib.loads(text), default=str))
    taken: dict[str, Any] = {}
    for *parents, last in _TOML_TABLES:
        node = table_at(rest, *parents)
        if isinstance(node, dict) and last in node:
            taken[".".join([*parents, last])] = node.pop(last)
    if table_at(rest, "tool", "hatch") == {}:
        del rest["tool"]["hatch"]
    if rest.get("tool") == {}:
        del rest["tool"]
    return taken, rest


def _is_for_tests(table: str) -> bool:
    return any(f"{table}.".startswith(".".join(known) + ".") for known in _TOML_TABLES)


def _merge_ini(base: bytes, product: bytes) -> bytes:
    """The base's whole file where the sections for tests differ."""
    return product if _ini_sections(product.decode()) == _ini_sections(base.decode()) else base


def _ini_sections(text: str) -> dict[str, dict[str, str]]:
    parser = configparser.RawConfigParser(allow_no_value=True, strict=False)
    parser.read_string(text)
    return {name: dict(parser.items(name)) for name in parser.sections() if _INI_SECTIONS.fullmatch(name)}


# --- package.json ----------------------------------------------------------------------------------------------------


def _merge_json(base: bytes, product: bytes) -> bytes:
    old, new, merged = json.loads(base or b"{}"), json.loads(product), json.loads(product)
    _take(old, merged, _JSON_KEYS)
    before, scripts = old.get("scripts", {}), merged.setdefault("scripts", {})
    _take(before, scripts, [key for key in {*scripts, *before} if _JSON_SCRIPTS.fullmatch(key)])
    if not scripts and "scripts" not in new:
        del merged["scripts"]
    return product if merged == new else (json.dumps(merged, indent=2, ensure_ascii=False) + "\n").encode()


def _take(source: dict[str, Any], target: dict[str, Any], keys: Iterable[str]) -> None:
    for key in keys:
        if key in source:
            target[key] = source[key]
        else:
            target.pop(key, None)


_MERGES: dict[str, Callable[[bytes, bytes], bytes]] = {
    "pyproject.toml": _merge_toml,
    "setup.cfg": _merge_ini,
    "package.json": _merge_json,
}
