"""The patch strategy on real files and real test runs, with scripted replies."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from gitmimo.agent.interface import CandidateInput, LeastChange
from gitmimo.agent.patch.localize import files_in, find_files, find_sites, score_of, trim_output
from gitmimo.agent.patch.probes import read_spectrum, trace_tests
from gitmimo.agent.patch.questions import plan_of
from gitmimo.agent.runner import run_candidate
from gitmimo.ids import Oid, utc_now
from gitmimo.records import (
    Action,
    ActionKind,
    CommandResult,
    Observation,
    Reply,
    Step,
    StopReason,
    Task,
    Trajectory,
    Usage,
)
from tests.conftest import GitBuilder
from tests.scripted_model import ScriptedModel

COMMAND = f"{sys.executable} -m pytest -q -p no:cacheprovider"
CODE = '''"""Numbers."""


def shared(numbers):
    """The sum of the numbers."""
    return sum(numbers)


def mean(numbers):
    """The mean of the numbers, 0 for none."""
    total = shared(numbers)
    return total // len(numbers)


def unused(numbers):
    """Not run by any test."""
    total = 1
    return total
'''
TESTS = """from pkg.numbers import mean, shared


def test_sum():
    assert shared([1, 2]) == 3


def test_mean():
    assert mean([1, 2]) == 1.5


def test_mean_of_none():
    assert mean([]) == 0
"""


@dataclass(frozen=True, slots=True)
class Bare:
    """A worktree without a sandbox, where changes compare as `least` says."""

    root: Path
    least: LeastChange | None = None

    def run(self, command: str, *, timeout_s: float | None = None) -> CommandResult:
        env = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        done = subprocess.run(command, shell=True, cwd=self.root, env=env, capture_output=True, text=True, check=False)
        return CommandResult(command=command, exit_code=done.returncode, output=done.stdout + done.stderr, seconds=0.0)

    def test(self) -> CommandResult | None:
        return self.run(COMMAND) if (self.root / "tests").is_dir() else None

    def changes(self) -> str | None:
        return None

    def is_accepted(self) -> bool:
        return False

    def least_change(self, changes: Sequence[Mapping[str, str]]) -> LeastChange | None:
        assert all(list(change) == ["pkg/numbers.py"] for change in changes)
        return self.least


@pytest.fixture
def workspace(git: GitBuilder) -> Bare:
    git.commit({"pkg/__init__.py": "", "pkg/numbers.py": CODE, "tests/test_numbers.py": TESTS})
    return Bare(git.path)


def run(
    workspace: Bare,
    replies: list[str | Reply],
    *,
    number: int = 1,
    name: str = "local/tiny",
    text: str = "The mean is wrong.",
    history: tuple[Step, ...] = (),
) -> tuple[Trajectory, list[Step], ScriptedModel]:
    steps: list[Step] = []

    def keep(step: Step) -> Oid | None:
        steps.append(step)
        return Oid("a" * 40)

    model = ScriptedModel(replies, name=name, supports_tools=False)
    trajectory = run_candidate(
        CandidateInput(task=Task(text=text, test_command=COMMAND), number=number, history=history),
        workspace,
        model,
        on_step=keep,
        stop=lambda: None,
    )
    return trajectory, steps, model


GOOD = "    if not numbers:\n        return 0\n    return shared(numbers) / len(numbers)\n"
HALF = "    return shared(numbers) / len(numbers)\n"
COPY = "    total = shared(numbers)  # the total\n    return total // len(numbers)\n"


def test_the_right_body_is_put_in_and_ends_the_work(workspace: Bare) -> None:
    trajectory, steps, model = run(workspace, ["mean", GOOD])
    assert trajectory.stop_reason is StopReason.FINISHED
    assert "return shared(numbers) / len(numbers)" in (workspace.root / "pkg/numbers.py").read_text()
    assert len(steps) == 1
    assert [action.kind for action in steps[0].actions] == [ActionKind.WRITE, ActionKind.TEST]
    assert steps[0].changed_paths == ("pkg/numbers.py",)
    assert trajectory.llm_calls == 2
    asked = model.calls[1]
    assert asked[1].role == "assistant"
    assert asked[1].content.endswith('"""The mean of the numbers, 0 for none."""\n')
    assert "assert mean([1, 2]) == 1.5" in asked[0].content


def test_a_copy_costs_no_test_run(workspace: Bare) -> None:
    trajectory, steps, _ = run(workspace, ["mean", COPY, COPY, COPY, GOOD], number=6)
    assert trajectory.stop_reason is StopReason.FINISHED
    assert [len(step.actions) for step in steps] == [1, 1, 1, 2]
    assert "nothing to test" in steps[0].observations[0].text


def test_what_is_better_stays_and_what_is_worse_goes(workspace: Bare) -> None:
    worse = [f"    raise {name}\n" for name in ("OSError", "KeyError", "IndexError")]
    said = ["mean", HALF, "mean", "    return 0\n", "    return 1.5\n", *worse]
    trajectory, steps, _ = run(workspace, said, number=6)  # asks as the first does, and tries no small edits
    assert trajectory.stop_reason is StopReason.STEPS
    assert "1 tests still fail" in trajectory.summary
    assert (workspace.root / "pkg/numbers.py").read_text().count("/ len(numbers)") == 1
    assert [step.changed_paths for step in steps] == [("pkg/numbers.py",), *[()] * 5]
    assert len(steps) == len(plan_of(6)) == 6


def test_after_a_failed_answer_small_edits_are_tried_and_the_one_that_changes_least_is_taken(workspace: Bare) -> None:
    compared = replace(workspace, least=LeastChange(index=1, behaviours=3, example="mean([]): 0 | 1"))
    found, steps, _ = run(compared, ["mean", HALF, "mean"])
    assert (found.stop_reason, found.llm_calls) == (StopReason.FINISHED, 3)
    assert [step.changed_paths for step in steps] == [("pkg/numbers.py",)] * 2
    assert (steps[1].reply.usage, steps[1].reply.cost_usd) == (Usage(), 0.0)
    assert re.fullmatch(
        r"tried \d+ small edits; line 11 of pkg/numbers.py: `\S+` for an empty `numbers`", steps[1].reply.text
    )
    taken = (workspace.root / "pkg/numbers.py").read_text()
    assert "if not numbers:\n        return " in taken
    assert "return 0\n" not in taken, "the likeliest that passes, which another one was preferred to"
    said = r"a small edit, found by trying \d+ of them: [1-9]\d* others pass the tests as well, with 3 behaviours; "
    assert re.match(
        said + r"this one changes least of what base did, for example mean\(\[\]\): 0 \| 1", found.remarks[0]
    )


def test_the_plan_goes_on_where_it_was_after_small_edits(workspace: Bare) -> None:
    """What no question was asked for is no part of the plan: a resumed candidate leaves no question out."""
    worse = [f"    raise {name}\n" for name in ("OSError", "KeyError", "IndexError", "TypeError", "NameError")]
    asked = Step(
        number=1,
        reply=Reply(text="", usage=Usage(prompt=9, completion=9)),
        actions=(Action(kind=ActionKind.TEST),),
        observations=(Observation(text="1 failed"),),
        started=utc_now(),
    )
    searched = replace(asked, reply=Reply(text="tried 9 small edits"), number=2)
    _, again, _ = run(workspace, ["mean", *worse], history=(asked, searched))
    assert [step.number for step in again] == [3, 4, 5, 6, 7]


def test_nothing_better_leaves_the_files_as_they_were(workspace: Bare) -> None:
    wrong = ["    return 1\n", "def broken(:\n", "    return 2\n", "", "?", "    return 3\n", "    return 4\n"]
    trajectory, _, _ = run(workspace, ["mean", *wrong], number=6)
    assert trajectory.stop_reason is StopReason.STEPS
    assert (workspace.root / "pkg/numbers.py").read_text() == CODE


def test_a_larger_model_is_asked_in_plain_chat(workspace: Bare) -> None:
    model_reply = "Here:\n```python\ndef mean(numbers):\n" + GOOD + "```\n"
    steps: list[Step] = []
    model = ScriptedModel([model_reply], name="openai/large", supports_tools=False)
    trajectory = run_candidate(
        CandidateInput(task=Task(text="The mean is wrong.", test_command=COMMAND)),
        workspace,
        model,
        strategy="patch",
        on_step=lambda step: steps.append(step),
        stop=lambda: None,
    )
    assert trajectory.stop_reason is StopReason.FINISHED
    assert [message.role for message in model.calls[0]] == ["user"]
    assert "def unused" in (workspace.root / "pkg/numbers.py").read_text()


def test_without_tests_the_task_names_the_place(git: GitBuilder) -> None:
    git.commit({"pkg/numbers.py": CODE, "pkg/other.py": "def other():\n    pass\n"})
    trajectory, _, _ = run(Bare(git.path), [GOOD], text="`mean` fails for an empty list.")
    assert trajectory.stop_reason is StopReason.FINISHED
    assert "if not numbers" in (git.path / "pkg/numbers.py").read_text()


def test_the_spectrum_names_what_failing_tests_run_through(workspace: Bare) -> None:
    spectrum = trace_tests(workspace, COMMAND)
    assert spectrum is not None
    assert spectrum.paths() == ("pkg/numbers.py",)
    assert set(spectrum.failing) == {
        "tests/test_numbers.py::test_mean",
        "tests/test_numbers.py::test_mean_of_none",
    }
    assert spectrum.suspicion("pkg/numbers.py", 10, 12) == 1.0
    assert 0 < spectrum.suspicion("pkg/numbers.py", 6, 6) < 1.0
    assert spectrum.suspicion("pkg/numbers.py", 17, 18) == 0.0
    assert spectrum.walk("pkg/numbers.py", 9, 12)[0] == (9, "numbers = [1, 2]")
    assert (12, "returns 1") in spectrum.walk("pkg/numbers.py", 9, 12)


def test_tests_of_unittest_that_pytest_runs_have_a_spectrum_too(git: GitBuilder) -> None:
    test = "import unittest\n\nfrom pkg.numbers import mean\n\n\nclass Numbers(unittest.TestCase):\n"
    test += "    def test_mean(self):\n        self.assertEqual(mean([1, 2]), 1.5)\n"
    git.commit({"pkg/numbers.py": CODE, "tests/test_numbers.py": test})
    spectrum = trace_tests(Bare(git.path), COMMAND)
    assert spectrum is not None
    assert spectrum.failing == ("tests/test_numbers.py::Numbers::test_mean",)
    assert spectrum.paths() == ("pkg/numbers.py",)


def test_a_test_that_hangs_is_traced_for_a_moment_only(git: GitBuilder) -> None:
    code = "def count(n):\n    while n:\n        n -= 2\n    return n\n"
    test = "from pkg.numbers import count\n\n\n"
    test += "def test_odd():\n    assert count(3) == 0\n\n\ndef test_even():\n    assert count(4) == 0\n"
    git.commit({"pkg/numbers.py": code, "tests/test_numbers.py": test})
    spectrum = trace_tests(Bare(git.path), COMMAND, failing=["tests/test_numbers.py::test_odd"])
    assert spectrum is not None
    assert spectrum.failing == ("tests/test_numbers.py::test_odd",)
    assert spectrum.suspicion("pkg/numbers.py", 2, 3) > 0.7
    assert (3, "n = -1") in spectrum.walk("pkg/numbers.py", 1, 4)


def test_commands_that_are_no_pytest_have_no_spectrum(workspace: Bare) -> None:
    for command in ("make test", "pytest; rm x", "npm test", "python -m pytest 'a"):
        assert trace_tests(workspace, command) is None
    assert read_spectrum("@@git-mimo@@{broken") is None
    assert read_spectrum("nothing") is None


def test_sites_are_ranked_by_execution_and_names(workspace: Bare) -> None:
    spectrum = trace_tests(workspace, COMMAND)
    output = workspace.run(COMMAND).output
    files = find_files(workspace, task="The mean is wrong.", output=output, spectrum=spectrum)
    assert files[0] == "pkg/numbers.py"
    sites = find_sites(workspace.root, files, task="The mean is wrong.", tests=TESTS, spectrum=spectrum)
    assert [site.function.name for site in sites if site.function] == ["mean", "shared"]


def test_a_function_called_wrongly_is_found_behind_a_package_that_hands_it_on(git: GitBuilder) -> None:
    test = "import pkg\n\n\ndef test_key():\n    assert pkg.mean([1], key=int) == 1\n"
    long = "".join(f"def other{n}(value):\n    return value + {n}\n\n\n" for n in range(500))
    files = {"pkg/__init__.py": "from .more import *\nfrom .numbers import mean\n", "pkg/more.py": long}
    git.commit({**files, "pkg/numbers.py": CODE, "tests/test_key.py": test})
    workspace = Bare(git.path)
    output = workspace.run(COMMAND).output
    files_found = find_files(workspace, task="Fix it.", output=output, spectrum=None)
    assert files_found[0] == "pkg/numbers.py"
    sites = find_sites(git.path, files_found, task="Fix it.", tests=test, spectrum=None)
    assert sites[0].function is not None
    assert sites[0].function.name == "mean"
    assert "pkg/more.py" not in [site.path for site in sites], "too long to be written out again"


def test_runs_are_counted_and_trimmed(workspace: Bare) -> None:
    result = workspace.run(COMMAND)
    score = score_of(result)
    assert (score.passed, score.failed, score.is_pass) == (1, 2, False)
    trimmed = trim_output(result.output)
    assert "assert 1 == 1.5" in trimmed
    assert "short test summary" not in trimmed
    assert len(trimmed.splitlines()) <= 24
    assert "pkg/numbers.py" in files_in(result.output, workspace.root)


def test_files_in_tracebacks_of_other_languages_are_found(tmp_path: Path) -> None:
    for name in ("a.js", "b.go", "c.rs"):
        (tmp_path / name).write_text("x")
    output = f"    at f (file://{tmp_path}/a.js:3:5)\n    b.go:7: wrong\n  --> c.rs:9:1\n  at /elsewhere/x.js:1:1\n"
    assert files_in(output, tmp_path) == ("a.js", "b.go", "c.rs")


def test_candidates_ask_different_questions() -> None:
    firsts = [plan_of(number)[0] for number in range(1, 6)]
    assert len({(planned.ask, planned.site) for planned in firsts}) == 5
    assert plan_of(6) == plan_of(1)
