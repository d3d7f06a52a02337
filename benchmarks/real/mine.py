"""Find tasks in two releases of a project: `python -m benchmarks.real.mine --cache DIR PROJECT BEFORE AFTER`.

A changed function is a task when it alone, put into the older release, makes a test of the newer one pass that fails
without it. Prints one JSON object a task; whether it is worth keeping is for a person to say.
"""

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.real.releases import Releases
from benchmarks.real.tasks import RealBug, copy_tree, with_function
from gitmimo.evaluator.behaviour.changed import changed_functions
from gitmimo.files import is_test_path

_MOST_FUNCTIONS = 10


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("project")
    parser.add_argument("before")
    parser.add_argument("after")
    options = parser.parse_args()
    releases = Releases(options.cache)
    for task in find_tasks(releases, options.project, options.before, options.after):
        told = {name: getattr(task, name) for name in RealBug.__slots__}
        print(json.dumps(told), flush=True)
    return 0


def find_tasks(releases: Releases, project: str, before: str, after: str) -> Iterator[RealBug]:
    """All functions whose change makes some test pass."""
    old, new = releases.source(project, before), releases.source(project, after)
    files = [path.relative_to(new).as_posix() for path in sorted(new.rglob("*.py"))]
    tests = [path for path in files if is_test_path(path) and _differs(old, new, path)]
    sources = [path for path in files if not is_test_path(path) and (old / path).exists() and _differs(old, new, path)]
    asked = _changed_tests(old, new, tests)
    if not asked or not sources:
        return
    with tempfile.TemporaryDirectory(prefix="mimo-real-") as name:
        tree = Path(name) / "tree"
        _lay_out(old, new, tree, tests)
        failing = {k for k, v in releases.run_tests(tree, *asked).items() if v in ("failed", "error")}
        for path in sources:
            (tree / path).write_bytes((new / path).read_bytes())
        chosen = sorted({name.partition("[")[0] for name in failing})
        passing = {k for k, v in releases.run_tests(tree, *chosen).items() if v == "passed"} if chosen else set()
        wanted = failing & passing
        print(f"{project} {before} {after}: {len(wanted)} tests are fixed", file=sys.stderr, flush=True)
        if not wanted:
            return
        words = _words(new, sorted(wanted))
        for path in sources:
            if _fixed_by(releases, (old, new, tree), tests, path, "", sorted(wanted)):
                changed = changed_functions((old / path).read_bytes(), (new / path).read_bytes()).direct
                likely = sorted(changed, key=lambda name: (name.rpartition(".")[2] not in words, name))
                for function in likely[:_MOST_FUNCTIONS]:
                    fixed = _fixed_by(releases, (old, new, tree), tests, path, function, sorted(wanted))
                    if fixed:
                        label = f"{project}-{after}-{function}"
                        yield RealBug(
                            name=label,
                            project=project,
                            before=before,
                            after=after,
                            path=path,
                            function=function,
                            tests=fixed,
                        )


def _words(new: Path, tests: list[str]) -> set[str]:
    """Names in the files of these tests and in their ids."""
    files = {test.partition("::")[0] for test in tests}
    texts = [*tests, *((new / file).read_text(encoding="utf-8") for file in files)]
    return {word for text in texts for word in re.findall(r"[A-Za-z_]\w*", text)}


def _fixed_by(
    releases: Releases, trees: tuple[Path, Path, Path], tests: list[str], path: str, function: str, wanted: list[str]
) -> tuple[str, ...]:
    """Which tests pass with one function of the newer file, or with all of it when none is named."""
    old, new, tree = trees
    _lay_out(old, new, tree, tests)
    text = (new / path).read_text("utf-8")
    if function:
        text = with_function((old / path).read_text("utf-8"), text, function)
    (tree / path).write_text(text, "utf-8")
    chosen = list(dict.fromkeys(name.partition("[")[0] for name in wanted))
    outcomes = releases.run_tests(tree, *chosen[:60])
    return tuple(name for name in wanted if outcomes.get(name) == "passed")


def _changed_tests(old: Path, new: Path, tests: list[str]) -> list[str]:
    """Ids of test functions that are new or changed; at most 60."""
    found = []
    for path in tests:
        before = (old / path).read_bytes() if (old / path).exists() else b""
        changed = changed_functions(before, (new / path).read_bytes())
        names = sorted(changed.direct | changed.added)
        found += [f"{path}::{n.replace('.', '::')}" for n in names if n.rpartition(".")[2].startswith("test")]
    return found[:60]


def _lay_out(old: Path, new: Path, tree: Path, tests: list[str]) -> None:
    copy_tree(old, tree)
    for path in tests:
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_bytes((new / path).read_bytes())


def _differs(old: Path, new: Path, path: str) -> bool:
    return not (old / path).exists() or (old / path).read_bytes() != (new / path).read_bytes()


if __name__ == "__main__":
    sys.exit(main())
