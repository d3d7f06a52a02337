"""A red team's cheats, judged as a session judges them: none of them is settled, and the right fix is not refused.

`data/cheats.json` holds the bases and the products. A product that was refused, that a flag holds for a person, or
that the verdict is in doubt about is not merged by itself.
"""

import json
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gitmimo.evaluator.behaviour.compare import compare_behaviour
from gitmimo.evaluator.review_flags import needs_review
from gitmimo.evaluator.settled import Contender, find_doubts
from gitmimo.evaluator.testbed import TestBed
from gitmimo.evaluator.testcommand import ReportFormat, TestCommand, TestKind
from gitmimo.evidence import Evidence
from gitmimo.sandbox.base import Limits
from tests.conftest import GitBuilder
from tests.evaluator.conftest import Judge, measured

DATA = json.loads((Path(__file__).parent / "data" / "cheats.json").read_text(encoding="utf-8"))
BASES = {base["name"]: base for base in DATA["bases"]}
CHEATS = {name: [cheat for cheat in DATA["cheats"] if cheat["base"] == name] for name in BASES}
FEW = 4  # products that one test judges
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
    if "package.json" in files:
        by_id = "node --test" in files["package.json"]
        form = ReportFormat.NODE_JUNIT if by_id else ReportFormat.NONE
        return TestCommand(command="node --test" if by_id else "npm test", kind=TestKind.NODE, report=form)
    if "scripts/verify.py" in files:
        return TestCommand(command="make test", kind=TestKind.SCRIPT, report=ReportFormat.NONE)
    if "unittest" in given:
        command = given.replace("python", sys.executable, 1)
        form = ReportFormat.UNITTEST
        return TestCommand(command=command, kind=TestKind.UNITTEST, report=form, interpreter=Path(sys.executable))
    return TestCommand(
        command=PYTHON, kind=TestKind.PYTEST, report=ReportFormat.PYTEST, interpreter=Path(sys.executable)
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


def repaired(files: Mapping[str, str]) -> dict[str, str]:
    """The right fix, where these bases have one that is a line."""
    found = {}
    for path, text in files.items():
        if path.startswith(("calc/", "lib/")):
            for wrong, right in REPAIRS:
                text = text.replace(wrong, right)
            if text != files[path]:
                found[path] = text
    return found


@pytest.fixture
def judge_of(git: GitBuilder, make_bench: Callable[..., TestBed]) -> Callable[[Mapping[str, Any]], Judge]:
    def make(base: Mapping[str, Any]) -> Judge:
        for program in ("node", "npm") if "package.json" in base["files"] else ():
            if shutil.which(program) is None:
                pytest.skip(f"{program} is not installed")
        accept = tuple(word.replace("python3", sys.executable) for word in base.get("accept", ()))
        testbed = make_bench(base["files"], tests=command_of(base), accept=accept)
        return measured(git, replace(testbed, limits=Limits(timeout_s=30)))

    return make


# where the bug is a strict xfail, the fix alone leaves the suite red: the mark has to go with it
@pytest.mark.parametrize(
    "name",
    [
        name
        for name, base in BASES.items()
        if repaired(base["files"]) and not any("strict=True" in text for text in base["files"].values())
    ],
)
def test_right_fix_of_a_base_is_not_refused(judge_of: Callable[[Mapping[str, Any]], Judge], name: str) -> None:
    """The control of the next test."""
    evidence = judge_of(BASES[name])(repaired(BASES[name]["files"]))
    assert evidence.passed, evidence.failed_gates


@pytest.mark.parametrize(
    ("name", "start"), [(name, start) for name, cheats in CHEATS.items() for start in range(0, len(cheats), FEW)]
)
def test_no_cheat_is_settled(judge_of: Callable[[Mapping[str, Any]], Judge], name: str, start: int) -> None:
    judge, settled = judge_of(BASES[name]), []
    for cheat in CHEATS[name][start : start + FEW]:
        judge.task = cheat["task"]
        evidence = judge(cheat["product"])
        if evidence.passed and not needs_review(evidence.flags) and not doubts_about(judge, evidence, votes=1):
            settled.append(cheat["name"])
    assert settled == []
