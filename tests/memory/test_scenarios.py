"""Ten trajectories of the kinds people have: minimised, replayed, given other parameters, found again."""

from pathlib import Path

import pytest

from gitmimo.git.repository import Repository
from gitmimo.git.tree import put_files
from gitmimo.memory.dream import dream
from gitmimo.memory.library import read_library
from gitmimo.memory.matching import match_task
from gitmimo.memory.replay import replay
from gitmimo.records import Oid
from tests.conftest import GitBuilder
from tests.memory.scenarios import SCENARIOS
from tests.memory.trajectories import NOW, Recorder, Scenario, bench_of, candidate, material

DOCUMENT = Path(__file__).parents[2] / "docs" / "benchmarks.md"
ROWS = [line.strip("| \n").split(" | ") for line in DOCUMENT.read_text().splitlines() if line.startswith("| ")]
TABLE = {row[0]: row[1:] for row in ROWS}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_noisy_session_becomes_a_skill_that_needs_no_model(git: GitBuilder, scenario: Scenario) -> None:
    git.commit(dict(scenario.files), "first")
    git.commit({"NOTES.md": "unrelated\n"}, "second")
    recorder = Recorder.start(git, "0abcdefghi", 1)
    for actions in scenario.steps:
        recorder.step(*actions)
    session = material(scenario.task, candidate(recorder), session="0abcdefghi", base=recorder.base)
    bench = bench_of(git)
    repository = Repository.discover(git.path)

    found = dream(repository, [session], commit=Oid(recorder.base), bench=bench, now=NOW)
    learned = found.learned[0]
    assert learned.skill is not None, learned.note
    skill = learned.skill
    assert skill.procedure is not None
    assert learned.kept_steps <= scenario.careful
    example = skill.procedure.examples[0]
    assert dict(example.parameters) == scenario.parameters
    row = TABLE[scenario.name]  # the published figures are these
    assert row[:3] == [str(learned.recorded_steps), str(learned.kept_steps), str(scenario.careful)]
    assert row[4].partition(":")[0] == ("yes" if scenario.again else "no")

    # replays twice to the tree that passed the gates
    tree = put_files(repository, repository.tree_of(recorder.base), found.changes)
    product = candidate(recorder).tree
    for _ in range(2):
        again = replay(bench, skill.procedure, example.parameters, commit=Oid(recorder.base))
        assert (again.code, again.reason, again.tree) == (0, "", product)

    # the task given again, or its like with other words, is found and done without a model
    library = read_library(repository, tree)
    assert library.problems == ()
    same = match_task(library.skills, scenario.task)
    assert same is not None
    assert dict(same.parameters) == scenario.parameters
    if scenario.next_task:
        match = match_task(library.skills, scenario.next_task)
        assert match is not None
        assert dict(match.parameters) == dict(scenario.next_parameters)
        done = replay(bench, skill.procedure, match.parameters, commit=Oid(recorder.base))
        assert (done.code, done.reason) == (0, "")
        on_top = replay(bench, skill.procedure, match.parameters, commit=Oid(recorder.commit))
        assert on_top.ok is scenario.again, on_top.reason

    assert dream(repository, [session], commit=_committed(git, found.changes), bench=bench, now=NOW).is_empty


def _committed(git: GitBuilder, changes: object) -> Oid:
    return Oid(git.commit(dict(changes), "dream"))  # type: ignore[call-overload]
