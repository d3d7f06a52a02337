"""Cheats and honest changes of unusual shape, judged as a session judges them.

No cheat is settled: a product that was refused, that a flag holds for a person, or that the verdict is in doubt about
is not merged by itself. Honest changes pass and land whole. `gap` says why some cases are otherwise. What becomes of
each case is a property of its test in a JUnit report. Those that are not `quick` run with `-m redteam` only.
"""

import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from _pytest.mark import ParameterSet

from gitmimo.evaluator.behaviour.compare import compare_behaviour
from gitmimo.evaluator.review_flags import needs_review
from gitmimo.evaluator.settled import Contender, find_doubts
from gitmimo.evaluator.testbed import TestBed
from gitmimo.evaluator.testcommand import ReportFormat, TestCommand
from gitmimo.evidence import Evidence
from gitmimo.git.repository import Repository
from gitmimo.sandbox.base import Limits
from tests.conftest import GitBuilder
from tests.evaluator.conftest import Judge, measured
from tests.evaluator.products import Case, Files, content, read_cases, read_first_cheats

CHEATS = [*read_first_cheats(), *read_cases("more_cheats.toml")]
HONEST = [*read_cases("red_honest.toml"), *read_cases("more_honest.toml")]
FEW = 8  # products that one test judges
# what is wrong in the bases, and right
REPAIRS = (
    ("return a - b", "return a + b"), ("a - b;", "a + b;"), ("items[1:]", "items"), ("(len(xs) + 1)", "len(xs)"),
    ("return list(xs)", "return sorted(xs)"), ("'mm': 0.01", "'mm': 0.001"), ("a * 3", "a * 2"),
    ("return []", "return [word[1:] for word in text.split()]"), ("localtime(stamp)", "gmtime(stamp)"),
    ("    return a / b if b else 0", "    if b == 0:\n        raise ValueError(b)\n    return a / b"),
)  # fmt: skip
PYTHON = f"PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 {sys.executable} -m pytest"


def command_of(base: Mapping[str, Any]) -> TestCommand:
    """How the base's tests are run."""
    files, given = base["files"], base.get("test", "")
    if "kind" in base:
        return TestCommand(command=given, report=ReportFormat(base["report"]))
    if "package.json" in files:
        by_id = "node --test" in files["package.json"]
        form = ReportFormat.NODE_JUNIT if by_id else ReportFormat.NONE
        return TestCommand(command="node --test" if by_id else "npm test", report=form)
    if "scripts/verify.py" in files:
        return TestCommand(command="make test", report=ReportFormat.NONE)
    plugins = "".join(f" -p {name}" for name in base.get("plugins", ()))
    return TestCommand(
        command=PYTHON + plugins, report=ReportFormat.PYTEST, is_pytest=True, interpreter=Path(sys.executable)
    )


def doubts_about(judge: Judge, evidence: Evidence, *, votes: int) -> tuple[str, ...]:
    """What a verdict would say of this product, alone or confirmed by another."""
    report = None
    if evidence.tested_tree:
        report = compare_behaviour(
            judge.testbed, judge.baseline, [evidence.tested_tree], fixed_tests=judge.baseline.failed_ids
        )
    contender = Contender(number=1, evidence=evidence, votes=votes, group=evidence.tested_tree)
    return find_doubts(contender, [contender], report, None)


def repaired(base: Mapping[str, Any]) -> Files:
    """The right fix, where the base has one that is known or a line; none where a strict xfail has to go with it."""
    files: Mapping[str, str] = base["files"]
    if any("strict=True" in text for text in files.values()):
        return {}
    found: Files = {path: content(files, path, given) for path, given in base.get("fix", {}).items()}
    for path, text in files.items():
        if path.startswith(("calc/", "lib/")):
            for wrong, right in REPAIRS:
                text = text.replace(wrong, right)
            if text != files[path]:
                found[path] = text
    return found


def in_groups(cases: Iterable[Case]) -> list[ParameterSet]:
    """Parameters of a test that judges a few products of one base."""
    by_base: dict[tuple[str, bool], list[Case]] = {}
    for case in cases:
        by_base.setdefault((case.base["name"], case.quick), []).append(case)
    return [
        pytest.param(group[start : start + FEW], id=f"{name}-{start}", marks=[] if quick else [pytest.mark.redteam])
        for (name, quick), group in by_base.items()
        for start in range(0, len(group), FEW)
    ]


@pytest.fixture
def judge_of(git: GitBuilder, make_bench: Callable[..., TestBed]) -> Callable[[Mapping[str, Any]], Judge]:
    def make(base: Mapping[str, Any]) -> Judge:
        for program in ("node", "npm") if "package.json" in base["files"] else base.get("needs", ()):
            if shutil.which(program) is None:
                pytest.skip(f"{program} is not installed")
        for plugin in base.get("plugins", ()):
            pytest.importorskip(plugin.partition(".")[0])
        accept = tuple(word.replace("python3", sys.executable) for word in base.get("accept", ()))
        if "tag" in base:
            git.commit(base["files"])
            git("tag", base["tag"])
        testbed = make_bench(base["files"], tests=command_of(base), accept=accept)
        return measured(git, replace(testbed, limits=Limits(timeout_s=120 if "fix" in base else 30)))

    return make


def judged(judge: Judge, case: Case) -> Evidence:
    """The evidence of a case's product."""
    judge.task = case.task
    case.place_others(judge.git.path)
    return judge(case.files())


def outcome_of(judge: Judge, evidence: Evidence) -> str:
    """What becomes of the product of a candidate that is alone, and why."""
    if not evidence.passed:
        return f"refused: {evidence.failed_gates[0].name}: {evidence.failed_gates[0].detail}"
    if flags := needs_review(evidence.flags):
        return f"flagged: {flags[0]}"
    if doubts := doubts_about(judge, evidence, votes=1):
        return f"in doubt: {doubts[0]}"
    return "settled"


def lost_paths(judge: Judge, evidence: Evidence) -> list[str]:
    """Files of the product that a merge would not bring as they are there."""
    repository = Repository.discover(judge.git.path)
    given, landed = (
        {entry.path: (entry.mode, entry.oid) for entry in repository.list_paths(tree)}
        for tree in (evidence.tree, evidence.landed_tree)
    )
    return sorted(path for path in given.keys() | landed.keys() if given.get(path) != landed.get(path))


@pytest.mark.parametrize("cases", in_groups(CHEATS))
def test_no_cheat_is_settled(
    judge_of: Callable[[Mapping[str, Any]], Judge], record_property: Callable[[str, object], None], cases: list[Case]
) -> None:
    """The control is the right fix, which is not refused."""
    judge, settled = judge_of(cases[0].base), set()
    if right := repaired(cases[0].base):
        assert (control := judge(right)).passed, control.failed_gates
    for case in cases:
        outcome = outcome_of(judge, judged(judge, case))
        record_property(f"cheat/{case.kind}/{case.name}", outcome)
        if outcome == "settled":
            settled.add(case.name)
    assert settled == {case.name for case in cases if case.gap}


@pytest.mark.parametrize("cases", in_groups(HONEST))
def test_honest_product_passes_and_lands_whole(
    judge_of: Callable[[Mapping[str, Any]], Judge], record_property: Callable[[str, object], None], cases: list[Case]
) -> None:
    judge, spoilt = judge_of(cases[0].base), {}
    for case in cases:
        evidence = judged(judge, case)
        outcome, lost = outcome_of(judge, evidence), lost_paths(judge, evidence)
        record_property(f"honest/{case.kind}/{case.name}", f"lost {lost}: {outcome}" if lost else outcome)
        if lost or not evidence.passed:
            spoilt[case.name] = (outcome, lost)
    assert spoilt.keys() == {case.name for case in cases if case.gap}, spoilt
