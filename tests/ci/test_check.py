"""A branch judged again: honest notes are confirmed, forged ones are caught."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from gitmimo.ci import NoteState, compare
from gitmimo.evidence import DiffFacts as Diff
from gitmimo.evidence import Evidence, FileChange, Gate, Outcome
from gitmimo.git.repository import Repository
from gitmimo.ids import Oid
from gitmimo.records import SessionResult
from gitmimo.workflow.evidence_notes import read_evidence, write_evidence
from tests.conftest import GitBuilder
from tests.made_session import SESSION, Attempt, make_session
from tests.project import PROJECT, RIGHT, TESTS, WRONG, Said, mimo

EVIDENCE = Evidence(
    tree=Oid("a" * 40),
    tested_tree=Oid("b" * 40),
    base=Oid("c" * 40),
    gates=(Gate(name="suite", outcome=Outcome.PASS),),
    fingerprint="f",
    diff=Diff(files=(FileChange(path="calc.py", status="M", added=1, removed=1),)),
    tests_passed=2,
    tests_run=2,
    fixed_ids=("t::a",),
)


def _ci(git: GitBuilder, *arguments: str) -> Said:
    return mimo("ci", "--sandbox", "none", "--format", "json", *arguments, cwd=git.path)


# tested by an exit code, which takes no time
PLAIN = {"Makefile": "test:\n\ttest -e kept.txt\n", "kept.txt": "x\n", "text.txt": "one\n"}


def _session(git: GitBuilder, *attempts: Attempt, project: Mapping[str, str] = PROJECT) -> SessionResult:
    git.commit(project)
    return make_session(git, attempts, task="Fix add, it subtracts")


def test_equal_evidence_confirms() -> None:
    assert compare(EVIDENCE, replace(EVIDENCE, seconds=9.0)) == (NoteState.CONFIRMED, ())


@pytest.mark.parametrize("change", [{"tree": Oid("d" * 40)}, {"base": Oid("d" * 40)}])
def test_a_note_about_something_else_is_stale(change: dict[str, Oid]) -> None:
    assert compare(EVIDENCE, replace(EVIDENCE, **change))[0] is NoteState.STALE  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        {"gates": (Gate(name="suite", outcome=Outcome.FAIL),)},
        {"diff": Diff()},
        {"restored_paths": ("tests/test_calc.py",)},
        {"broken_ids": ("t::b",)},
        {"tests_run": 7},
        {"fixed_ids": ()},
    ],
)
def test_what_was_measured_otherwise_contradicts(change: dict[str, object]) -> None:
    assert compare(EVIDENCE, replace(EVIDENCE, **change))[0] is NoteState.CONTRADICTED  # type: ignore[arg-type]


def test_counts_of_another_machine_are_told_but_do_not_contradict() -> None:
    state, differences = compare(replace(EVIDENCE, fingerprint="other"), replace(EVIDENCE, tests_run=7))
    assert state is NoteState.CONFIRMED
    assert differences == ("tests that ran: the note says 2, measured 7",)


def test_an_honest_note_is_confirmed_in_a_fresh_clone(git: GitBuilder, tmp_path: Path) -> None:
    session = _session(git, Attempt(steps=[{"calc.py": RIGHT}]))
    clone = GitBuilder(tmp_path / "clone")
    clone("remote", "add", "origin", str(git.path))
    clone("fetch", "--quiet", "origin", "+refs/heads/*:refs/remotes/origin/*", "+refs/notes/mimo:refs/notes/mimo")
    said = _ci(clone, "--require-note", f"origin/{session.result_branch}")
    assert said.code == 0, said.err
    assert (said.json["note"], said.json["session"]) == ("confirmed", SESSION)
    assert said.json["evidence"]["fixed_ids"] == ["tests/test_calc.py::test_sum"]


def test_a_forged_note_is_caught_and_a_test_that_the_branch_changed_does_not_help_it(git: GitBuilder) -> None:
    """The note that `make_session` writes claims a pass; the base's tests say otherwise."""
    weak = TESTS.replace("== 5", "== 6")
    session = _session(git, Attempt(steps=[{"calc.py": WRONG, "tests/test_calc.py": weak}]))
    said = _ci(git, str(session.result_branch))
    assert said.code == 1
    assert said.json["note"] == "contradicted"
    assert any("the note says that all gates passed" in text for text in said.json["differences"])
    assert "tests/test_calc.py" in said.json["evidence"]["restored_paths"]
    assert "protected" in {finding["rule"] for finding in said.json["findings"]}


def test_commands_of_the_branch_do_not_count(git: GitBuilder) -> None:
    git.commit(PLAIN)
    git("checkout", "--quiet", "-b", "work")
    git("rm", "--quiet", "kept.txt")
    git.commit({".mimo/config.yaml": "test: 'true'\n", "text.txt": "two\n"})
    assert _ci(git, "HEAD", "--base", "main").code == 1


def test_commands_of_the_base_need_trust(git: GitBuilder) -> None:
    git.commit({**PLAIN, ".mimo/config.yaml": "accept: ['true']\n"})
    git("checkout", "--quiet", "-b", "work")
    git.commit({"text.txt": "two\n"})
    said = _ci(git, "--base", "main")
    assert said.code == 2
    assert "git mimo trust" in said.err
    assert _ci(git, "--base", "main", "--trust-base").code == 0


def test_a_branch_of_a_person_without_a_note_passes_on_its_tests(git: GitBuilder) -> None:
    git.commit(PLAIN)
    git("checkout", "--quiet", "-b", "work")
    git.commit({"text.txt": "two\n"})
    said = _ci(git)
    assert (said.code, said.json["note"]) == (0, "none")
    assert _ci(git, "--require-note").code == 1
    assert _ci(git, "--record").code == 129


def test_a_branch_that_only_remembers_has_nothing_to_test(git: GitBuilder) -> None:
    git.commit(PROJECT)
    git("checkout", "--quiet", "-b", "work")
    git.commit({".mimo/memory/aa-x.md": "x\n"})
    said = _ci(git)
    assert said.code == 0
    assert said.json["findings"][0]["rule"] == "unchanged"


def test_a_damaged_note_fails(git: GitBuilder) -> None:
    session = _session(git, Attempt(steps=[{"text.txt": "two\n"}]), project=PLAIN)
    git("notes", "--ref=mimo", "add", "--force", "-m", "no json", str(session.result_branch))
    said = _ci(git, str(session.result_branch))
    assert (said.code, said.json["note"]) == (1, "damaged")


def test_a_stale_note_is_replaced_by_record(git: GitBuilder) -> None:
    session = _session(git, Attempt(steps=[{"text.txt": "two\n"}]), project=PLAIN)
    git("checkout", "--quiet", str(session.result_branch))
    tip = Oid(git.commit({"text.txt": "three\n"}))
    repository = Repository.discover(git.path)
    old = read_evidence(repository, Oid(str(session.result_commit)))
    assert old is not None
    write_evidence(repository, [tip], old)
    assert _ci(git, "--record").json["recorded"] is True
    new = read_evidence(repository, tip)
    assert new is not None
    assert new.evidence.tree == git("rev-parse", "HEAD^{tree}") or new.evidence.tree != old.evidence.tree
    assert json.loads(_ci(git).out)["note"] == "confirmed"


def test_an_unknown_base_is_named(git: GitBuilder) -> None:
    git.commit(PROJECT)
    said = _ci(git, "--base", "nowhere")
    assert said.code == 128
    assert "nowhere" in said.err
