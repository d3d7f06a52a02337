"""Examples in documentation texts as tests: what passes on base must pass on the product, whatever the command runs.

Python only. The texts are base's, so that a candidate that changes an example is judged by what it said before.
"""

import ast
import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gitmimo.evaluator.probe import probe_path
from gitmimo.evaluator.python_env import definitions, imported_names, module_names, parse_python
from gitmimo.evaluator.recorder import Recorder
from gitmimo.evaluator.testbed import FreshTree, TestBed, fresh_tree
from gitmimo.evidence import DiffFacts
from gitmimo.files import is_test_path
from gitmimo.git.repository import Repository
from gitmimo.ids import Oid

_MOST_FILES = 60
_MARK = b">>> "


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleFindings:
    """Names, as `path::qualified name`, of texts with an example that passed on base and fails on the product.

    `changed` are those that pass as the candidate rewrote them.
    """

    broken: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()


def check_examples(testbed: TestBed, base: Oid, product: Oid, diff: DiffFacts) -> ExampleFindings:
    """Run the examples of changed files, and of files that import them, on base and on the product."""
    repository = testbed.repository
    before = example_texts(repository, base, _files_concerned(repository, base, diff))
    before = {name: text for name, text in before.items() if repository.find_entry(product, _path_of(name))}
    passing = _passing(testbed, base, before)
    wanted = {name: text for name, text in before.items() if passing.get(name)}
    now = _passing(testbed, product, wanted)
    lost = sorted(name for name in wanted if not passing[name] <= now.get(name, frozenset()))
    after = example_texts(repository, product, sorted({_path_of(name) for name in lost}))
    rewritten = {name: after[name] for name in lost if name in after and after[name] != before[name]}
    rewritten_passing = _passing(testbed, product, rewritten)
    changed = tuple(name for name in lost if len(rewritten_passing.get(name, ())) >= len(passing[name]))
    return ExampleFindings(broken=tuple(name for name in lost if name not in changed), changed=changed)


def _files_concerned(repository: Repository, base: Oid, diff: DiffFacts) -> list[str]:
    """Changed files of base with examples, and base's files with examples that import one of them."""
    changed = [c.old_path or c.path for c in diff.files if c.path.endswith(".py") and c.status != "A"]
    changed = [path for path in changed if not is_test_path(path)]
    modules = {name for path in changed for name in module_names(path)}
    found = dict.fromkeys(path for path in changed if _MARK in (repository.read_blob(base, path) or b""))
    for entry in repository.list_paths(base) if modules else ():
        if len(found) >= _MOST_FILES:
            break
        if entry.path.endswith(".py") and entry.path not in found and not is_test_path(entry.path):
            data = repository.read_blob(base, entry.path) or b""
            if _MARK in data and modules & imported_names(data):
                found[entry.path] = None
    return list(found)[:_MOST_FILES]


def example_texts(repository: Repository, tree: Oid, paths: Iterable[str]) -> dict[str, str]:
    """The documentation texts with examples of some files, by `path::qualified name`."""
    found: dict[str, str] = {}
    for path in paths:
        module = parse_python(repository.read_blob(tree, path) or b"")
        for qualified, node in [("module", module), *definitions(module)]:
            if _MARK.decode() in (text := ast.get_docstring(node, clean=False) or ""):
                found[f"{path}::{qualified}"] = text
    return found


def _passing(testbed: TestBed, tree: Oid, texts: Mapping[str, str]) -> dict[str, frozenset[int]]:
    if not texts:
        return {}
    with fresh_tree(testbed, tree, setup=testbed.setup) as fresh:
        found = run_examples(fresh, texts)
    return {name: passing for name, (passing, _) in found.items()}


def run_examples(
    fresh: FreshTree, texts: Mapping[str, str], *, recorder: Recorder | None = None
) -> dict[str, tuple[frozenset[int], frozenset[int]]]:
    """The lines of each text's examples that pass on a tree, and of those that fail; nothing if the run failed.

    With a `recorder` calls are noted, and the texts' names are those of the tests.
    """
    home, out = fresh.probes / f"doc-{secrets.token_hex(5)}", fresh.probes / f"out-{secrets.token_hex(5)}"
    home.mkdir()
    out.mkdir()
    script, settings = home / "examples.py", home / "settings.json"
    script.write_bytes(probe_path("doctest_probe.py").read_bytes())
    listed = [
        {"name": name, "module": fresh.layout.module_name(_path_of(name)), "text": text} for name, text in texts.items()
    ]
    given = {"texts": listed, "roots": fresh.import_path, "out": str(out / "lines"), "named": recorder is not None}
    settings.write_text(json.dumps(given), encoding="utf-8")
    fresh.run(
        (fresh.testbed.tests.python, str(script), str(settings)),
        env=recorder.environ({}) if recorder else {},
        readable=(home, recorder.home) if recorder else (home,),
        writable=(out, recorder.out) if recorder else (out,),
    )
    try:
        found = json.loads((out / "lines").read_text(encoding="utf-8"))
        return {name: (frozenset(found[name][0]), frozenset(found[name][1])) for name in texts if name in found}
    except (OSError, ValueError, TypeError, KeyError, IndexError, RecursionError):
        return {}


def _path_of(name: str) -> str:
    return name.partition("::")[0]
