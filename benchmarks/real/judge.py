"""What decides about an answer: the newer release's tests and examples that hold on the reference fix."""

import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.real.releases import Releases
from benchmarks.real.tasks import RealBug, copy_tree, doctest_paths, set_up, with_fix
from gitmimo.files import is_test_path


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Whether the fixing tests pass, and which hidden tests fail that must not."""

    visible: bool
    broken: tuple[str, ...] = ()

    @property
    def is_right(self) -> bool:
        """By all that is known."""
        return self.visible and not self.broken


def judge(task: RealBug, releases: Releases, product: Path) -> Judgement:
    """Judge a tree: its source files, and the newer release's tests."""
    with tempfile.TemporaryDirectory(prefix="mimo-judge-") as name:
        tree = copy_tree(releases.source(task.project, task.before), Path(name) / "tree")
        for path in sorted(product.rglob("*.py")):
            inner = path.relative_to(product).as_posix()
            if not is_test_path(inner) and not inner.startswith((".git/", ".mimo/", "docs/")):
                (tree / inner).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, tree / inner)
        outcomes = _hidden_outcomes(task, releases, tree)
    passed = {test for test, outcome in outcomes.items() if outcome == "passed"}
    missing = tuple(sorted(required_tests(task, releases) - passed))
    return Judgement(visible=passed.issuperset(task.tests), broken=tuple(t for t in missing if t not in task.tests))


def required_tests(task: RealBug, releases: Releases) -> frozenset[str]:
    """What passes on the reference fix, kept in the cache."""
    kept = releases.cache / "required" / f"{task.name}.json"
    if not kept.exists():
        with tempfile.TemporaryDirectory(prefix="mimo-judge-") as name:
            outcomes = _hidden_outcomes(task, releases, with_fix(task, releases, Path(name) / "tree"))
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(sorted(test for test, outcome in outcomes.items() if outcome == "passed")))
    return frozenset(json.loads(kept.read_text()))


def check(task: RealBug, releases: Releases) -> str:
    """Why a task is of no use; empty for a good one. Without a model: the bug is seen, and the fix is right."""
    with tempfile.TemporaryDirectory(prefix="mimo-check-") as name:
        bug = set_up(task, releases, Path(name) / "bug")
        on_bug = releases.run_tests(bug, *visible_arguments(task))
        failing = {test for test, outcome in on_bug.items() if outcome in ("failed", "error")}
        own = {test.partition("[")[0] for test in task.tests}
        others = sorted(test for test in failing if test.partition("[")[0] not in own)
        if not failing:
            return "the bug is not seen by the visible tests"
        if others:
            return f"{len(others)} other tests fail: {others[0]}"
        shutil.copyfile(with_fix(task, releases, Path(name) / "fix") / task.path, bug / task.path)
        on_fix = releases.run_tests(bug, *visible_arguments(task))
        still = sorted(test for test, outcome in on_fix.items() if outcome in ("failed", "error"))
        if not on_fix or still:
            return f"the fix fails visible tests: {', '.join(still[:2]) or 'none ran'}"
        judged = judge(task, releases, bug)
    return "" if judged.is_right else f"the fix fails hidden tests: {', '.join(judged.broken[:2])}"


def visible_arguments(task: RealBug) -> tuple[str, ...]:
    """What the visible test command runs: the files of the fixing tests."""
    return task.test_files


def test_command(task: RealBug, tree: Path) -> str:
    """The command that a user of the project would give."""
    source = "PYTHONPATH=src " if (tree / "src").is_dir() else ""
    return f"{source}python -m pytest -q -p no:cacheprovider {' '.join(visible_arguments(task))}"


def _hidden_outcomes(task: RealBug, releases: Releases, tree: Path) -> dict[str, str]:
    newer = releases.source(task.project, task.after)
    for path in sorted(newer.rglob("*")):
        inner = path.relative_to(newer).as_posix()
        if path.is_file() and (is_test_path(inner) or is_test_path(f"{inner}/x")):
            (tree / inner).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, tree / inner)
    directories = dict.fromkeys(str(Path(path).parent) for path in task.test_files)
    outcomes = releases.run_tests(tree, "--continue-on-collection-errors", *directories, limit_s=300)
    examples = doctest_paths(task, tree)
    return outcomes | (releases.run_tests(tree, "--doctest-modules", *examples) if examples else {})
