"""What a person reads of a session in the terminal: differences first, failures with their output, a transcript."""

from dataclasses import replace
from pathlib import Path

import pytest

from gitmimo.behaviour import BehaviourReport, Difference, DifferenceKind, ProductBehaviour
from gitmimo.git.repository import Repository
from gitmimo.ids import Oid
from gitmimo.records import SessionResult
from gitmimo.report.page import review_page
from gitmimo.report.summary import differences_of
from tests.conftest import GitBuilder
from tests.made_session import SESSION, Attempt, make_session, write_journal
from tests.project import BUGGY, PROJECT, RIGHT, mimo


@pytest.fixture
def project(git: GitBuilder) -> GitBuilder:
    git.commit(PROJECT)
    return git


def test_the_transcript_shows_what_was_said_run_and_edited(project: GitBuilder) -> None:
    long = "\n".join(f"line {number}" for number in range(100))
    session = make_session(project, [Attempt(steps=[{}, {"calc.py": RIGHT}], said="I look first.\x1b[31m", seen=long)])
    write_journal(project, session)
    said = mimo("log", cwd=project.path)
    assert said.code == 0, said.err
    assert "step 1" in said.out
    assert "I look first.\\x1b[31m" in said.out
    assert "$ python -m pytest -q  (exit 1, 3.0s)" in said.out
    assert "… 89 lines more (--full)" in said.out
    assert "line 50" not in said.out
    assert "line 99" in said.out
    assert "write calc.py" in said.out
    assert "    +    return a + b" in said.out
    assert "line 50" in mimo("log", "1", "--full", cwd=project.path).out


def test_diff_takes_gits_options_and_paths(project: GitBuilder) -> None:
    changed = {"calc.py": RIGHT, "notes/a.md": "a\n"}
    write_journal(project, make_session(project, [Attempt(steps=[changed])]))
    assert mimo("diff", "--name-only", cwd=project.path).out.split() == ["calc.py", "notes/a.md"]
    assert mimo("diff", SESSION, "1", "--name-only", "notes", cwd=project.path).out.split() == ["notes/a.md"]
    assert mimo("diff", "--name-only", "--", "calc.py", cwd=project.path).out.split() == ["calc.py"]
    refused = mimo("diff", "--output=x", cwd=project.path)
    assert refused.code == 129
    assert not (project.path / "x").exists()
    assert mimo("diff", "nosuch", cwd=project.path).code == 129


def with_behaviour(session: SessionResult, changed: int) -> SessionResult:
    assert session.verdict is not None
    assert session.winner is not None
    assert session.winner.evidence is not None
    found = tuple(
        Difference(
            function="calc.py::add", call=f"add({n}, 3)", before=str(n - 3), after=str(n + 3),
            kind=DifferenceKind.OTHER_ANSWER,
        )
        for n in range(changed)
    )  # fmt: skip
    tree = Oid("9" * 40)  # the tree that the tests ran on: it holds what the base has in `.mimo/`
    product = ProductBehaviour(tree=tree, differences=found[:20], changed=changed)
    report = BehaviourReport(
        base=session.base, functions=("calc.py::add",), calls=2, inputs=40, valid=40, products=(product,)
    )
    judged = replace(session.winner, evidence=replace(session.winner.evidence, tested_tree=tree))
    return replace(session, candidates=(judged,), verdict=replace(session.verdict, behaviour=report))


def test_what_behaves_differently_comes_first_in_at_most_five_lines(project: GitBuilder) -> None:
    session = with_behaviour(make_session(project, [Attempt(steps=[{"calc.py": RIGHT}])]), 12)
    write_journal(project, session)
    found = differences_of(session)
    assert found is not None
    assert [line.call for line in found.lines] == [f"add({n}, 3)" for n in range(5)]
    assert found.count == "And 7 more, of 40 inputs tried on 1 changed function."
    for words in (("review",), ("show",)):
        out = mimo(*words, cwd=project.path).out
        assert "add(0, 3): -3 -> 3\n" in out
        assert out.index("What behaves differently") < out.index("candidate 1" if words == ("show",) else "diff --git")
    page = review_page(Repository.discover(project.path), session)
    assert page.index("What behaves differently") < page.index('id="changes"')
    assert "add(4, 3)" in page
    assert "add(5, 3)" not in page


def test_no_difference_and_nothing_compared_are_told_apart(project: GitBuilder) -> None:
    session = make_session(project, [Attempt(steps=[{"calc.py": RIGHT}])])
    assert differences_of(session) is None
    nothing = differences_of(with_behaviour(session, 0))
    assert nothing is not None
    assert nothing.count == "Nothing: 40 inputs tried on 1 changed function, and all answers are as before."


def test_a_failed_session_shows_the_end_of_the_output(project: GitBuilder, tmp_path: Path) -> None:
    session = make_session(project, [Attempt(steps=[{"calc.py": BUGGY + "# no\n"}], passed=False)])
    failed = session.candidates[0]
    assert failed.evidence is not None
    output = "\n".join(f"out {number}" for number in range(90)) + "\nE   assert -1 == 5"
    session = replace(session, candidates=(replace(failed, evidence=replace(failed.evidence, output=output)),))
    write_journal(project, session)
    for words in (("review",), ("show",)):
        out = mimo(*words, cwd=project.path).out
        assert "E   assert -1 == 5" in out, words
        assert "out 89" in out
        assert "out 10\n" not in out
    page = review_page(Repository.discover(project.path), session)
    assert page.index("What failed") < page.index("E   assert -1 == 5") < page.index('id="changes"')
