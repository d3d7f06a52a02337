"""Examples in documentation texts as tests: what holds on base must hold on the product, whatever the command runs.

Python only. The texts are base's, so that a candidate that changes an example is judged by what it said before.
"""

import ast
import json
import secrets
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from gitmimo.evaluator.probes import doctest_probe_path
from gitmimo.evaluator.protected import is_test_file
from gitmimo.evaluator.python_env import Layout
from gitmimo.evaluator.testbed import TestBed, fresh_tree, layout_of
from gitmimo.evidence import DiffFacts
from gitmimo.git.repository import Repository
from gitmimo.records import Oid

_MOST_FILES = 60
_MARK = b">>> "


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleFindings:
    """Names, as `path::qualified name`, of texts with an example that held on base and doesn't on the product.

    `changed` are those that hold as the candidate rewrote them.
    """

    broken: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()


def check_examples(
    testbed: TestBed, base: Oid, product: Oid, diff: DiffFacts, *, cancelled: Callable[[], bool] | None = None
) -> ExampleFindings:
    """Run the examples of changed files, and of files that import them, on base and on the product."""
    repository = testbed.repository
    before = _texts(repository, base, _files_concerned(repository, base, diff))
    before = {name: text for name, text in before.items() if repository.find_entry(product, _path_of(name))}
    if not before:
        return ExampleFindings()
    held = _run(testbed, base, before, cancelled)
    wanted = {name: text for name, text in before.items() if held.get(name)}
    now = _run(testbed, product, wanted, cancelled) if wanted else {}
    lost = sorted(name for name in wanted if not held[name] <= now.get(name, frozenset()))
    if not lost:
        return ExampleFindings()
    after = _texts(repository, product, sorted({_path_of(name) for name in lost}))
    rewritten = {name: after[name] for name in lost if name in after and after[name] != before[name]}
    holds = _run(testbed, product, rewritten, cancelled) if rewritten else {}
    changed = tuple(name for name in lost if len(holds.get(name, ())) >= len(held[name]))
    return ExampleFindings(broken=tuple(name for name in lost if name not in changed), changed=changed)


def _files_concerned(repository: Repository, base: Oid, diff: DiffFacts) -> list[str]:
    """Changed files of base with examples, and base's files with examples that import one of them."""
    changed = [c.old_path or c.path for c in diff.files if c.path.endswith(".py") and c.status != "A"]
    changed = [path for path in changed if not is_test_file(path)]
    modules = {part for path in changed for part in _module_names(path)}
    found = dict.fromkeys(path for path in changed if _has_examples(repository, base, path))
    for entry in repository.list_paths(base) if modules else ():
        if len(found) >= _MOST_FILES:
            break
        if entry.path.endswith(".py") and entry.path not in found and not is_test_file(entry.path):
            data = repository.read_blob(base, entry.path) or b""
            if _MARK in data and modules & set(_imports(data)):
                found[entry.path] = None
    return list(found)[:_MOST_FILES]


def _has_examples(repository: Repository, tree: Oid, path: str) -> bool:
    return _MARK in (repository.read_blob(tree, path) or b"")


def _module_names(path: str) -> Iterator[str]:
    """What a file may be imported as: its dotted path, with and without the directories before it."""
    parts = path.removesuffix(".py").removesuffix("/__init__").split("/")
    yield from (".".join(parts[start:]) for start in range(len(parts)))


def _imports(source: bytes) -> Iterator[str]:
    for node in ast.walk(_parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            prefix = f"{node.module}." if node.module else ""
            yield from (f"{prefix}{alias.name}" for alias in node.names)


def _texts(repository: Repository, tree: Oid, paths: Sequence[str]) -> dict[str, str]:
    """The documentation texts with examples by name."""
    found: dict[str, str] = {}
    for path in paths:
        for qualified, text in _doc_texts(_parse(repository.read_blob(tree, path) or b""), ""):
            if _MARK.decode() in text:
                found[f"{path}::{qualified}"] = text
    return found


def _doc_texts(node: ast.AST, prefix: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
        text = ast.get_docstring(node, clean=False)
        if text:
            yield prefix or "module", text
    if isinstance(node, (ast.Module, ast.ClassDef)):
        for child in node.body:
            if isinstance(child, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
                yield from _doc_texts(child, f"{prefix}.{child.name}" if prefix else child.name)


def _parse(source: bytes) -> ast.Module:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError):
        return ast.Module(body=[], type_ignores=[])


def _run(
    testbed: TestBed, tree: Oid, texts: Mapping[str, str], cancelled: Callable[[], bool] | None
) -> dict[str, frozenset[int]]:
    """The lines of each text's examples that hold on a tree; none where the run did not end well."""
    layout = layout_of(testbed, tree)
    with fresh_tree(testbed, tree) as fresh:
        for command in testbed.setup:
            fresh.run(command, cancelled=cancelled)
        home, out = fresh.probes / f"doc-{secrets.token_hex(5)}", fresh.probes / f"out-{secrets.token_hex(5)}"
        home.mkdir()
        out.mkdir()
        script, settings = home / "examples.py", home / "settings.json"
        script.write_bytes(doctest_probe_path().read_bytes())
        listed = [{"name": n, "module": _module_of(_path_of(n), layout), "text": text} for n, text in texts.items()]
        roots = [str(fresh.path / root) for root in layout.roots] or [str(fresh.path)]
        given = {"texts": listed, "roots": roots, "out": str(out / "held.json")}
        settings.write_text(json.dumps(given), encoding="utf-8")
        python = str(testbed.tests.interpreter or sys.executable)
        fresh.run((python, str(script), str(settings)), readable=(home,), writable=(out,), cancelled=cancelled)
        try:
            held = json.loads((out / "held.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
    if not isinstance(held, dict):
        return {}
    return {name: frozenset(lines) for name in texts if isinstance(lines := held.get(name), list)}


def _path_of(name: str) -> str:
    return name.partition("::")[0]


def _module_of(path: str, layout: Layout) -> str:
    """What a file is imported as: relative to the deepest root that holds it."""
    pure = PurePosixPath(path)
    roots = [root for root in layout.roots if root == "." or pure.is_relative_to(root)]
    root = max(roots, key=lambda each: len(PurePosixPath(each).parts), default=".")
    relative = pure if root == "." else pure.relative_to(root)
    parts = relative.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)
