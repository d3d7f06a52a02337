"""What the hooks hold back, carry and record, by real pushes, merges and commits."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from gitmimo.evidence import Gate, Outcome
from gitmimo.git import notes
from gitmimo.git.repository import Repository
from gitmimo.hooks.install import install_hooks
from gitmimo.records import Oid
from gitmimo.results import SessionResult
from gitmimo.workflow.evidence_notes import (
    DamagedNote,
    find_evidence,
    outcomes_by_session,
    parse_note,
    read_evidence,
    write_evidence,
)
from tests.conftest import GitBuilder
from tests.made_session import SESSION, Attempt, make_session

APP = "def f(x):\n    return None\n"
GOOD = "def f(x):\n    return x\n"


@pytest.fixture
def session(git: GitBuilder, tmp_path: Path) -> SessionResult:
    """A repository with a remote, our hooks, and a session whose candidate 1 passed."""
    git.commit({"app.py": APP, "other.txt": "1\n"})
    git("init", "--quiet", "--bare", "--initial-branch=main", str(tmp_path / "remote.git"))
    git("remote", "add", "origin", str(tmp_path / "remote.git"))
    program = tmp_path / "git-mimo"
    root = Path(__file__).parent.parent.parent
    program.write_text(f"#!/bin/sh\nPYTHONPATH='{root}' exec '{sys.executable}' -P -m gitmimo \"$@\"\n")
    program.chmod(0o755)
    install_hooks(Repository.discover(git.path), command=(str(program),), use_config=False)
    git("push", "--quiet", "origin", "main")
    return make_session(git, [Attempt(steps=[{"app.py": GOOD}]), Attempt(steps=[{"app.py": APP * 2}], passed=False)])


def _push(git: GitBuilder, *refs: str) -> tuple[bool, str]:
    """Push and say whether it went through, and what git and the hook said."""
    said = git("-c", 'alias.both=!git push "$@" 2>&1; echo code=$?; :', "both", "origin", *refs)
    return said.endswith("code=0"), said


def test_a_result_with_a_passing_verdict_is_pushed_in_silence(git: GitBuilder, session: SessionResult) -> None:
    done, said = _push(git, "--quiet", str(session.result_branch))
    assert (done, said) == (True, "code=0")


def test_a_candidates_branch_is_held_back_under_any_name(git: GitBuilder, session: SessionResult) -> None:
    done, said = _push(git, f"mimo/{SESSION}/1")
    assert not done
    assert "candidate's branch" in said
    assert f"git mimo pr {SESSION}" in said
    done, said = _push(git, f"mimo/{SESSION}/1:refs/heads/innocent")
    assert not done
    assert "raw trajectories" in said


def test_private_refs_are_held_back(git: GitBuilder, session: SessionResult) -> None:
    done, said = _push(git, "refs/mimo/*:refs/mimo/*")
    assert not done
    assert "private refs" in said


def test_a_result_without_evidence_is_held_back_with_the_command_that_gets_it(
    git: GitBuilder, session: SessionResult
) -> None:
    git("update-ref", "-d", "refs/notes/mimo")
    done, said = _push(git, str(session.result_branch))
    assert not done
    assert "nothing is known" in said
    assert "hint: git mimo ci" in said


def test_a_result_that_changed_after_its_tests_is_held_back(git: GitBuilder, session: SessionResult) -> None:
    git("checkout", "--quiet", str(session.result_branch))
    tip = git.commit({"app.py": GOOD + "# more\n"})
    repository = Repository.discover(git.path)
    note = read_evidence(repository, Oid(str(session.result_commit)))
    assert note is not None
    write_evidence(repository, [Oid(tip)], note)
    done, said = _push(git, str(session.result_branch))
    assert not done
    assert "changed since" in said


def test_a_red_verdict_is_held_back(git: GitBuilder, session: SessionResult) -> None:
    repository = Repository.discover(git.path)
    note = read_evidence(repository, Oid(str(session.result_commit)))
    assert note is not None
    red = replace(note.evidence, gates=(Gate(name="suite", outcome=Outcome.FAIL, detail="2 tests broke"),))
    write_evidence(repository, [Oid(str(session.result_commit))], replace(note, evidence=red))
    done, said = _push(git, str(session.result_branch))
    assert not done
    assert "suite: 2 tests broke" in said


def test_a_damaged_note_is_held_back_as_such(git: GitBuilder, session: SessionResult) -> None:
    notes.write_note(Repository.discover(git.path), Oid(str(session.result_commit)), '{"schema": "other"}')
    done, said = _push(git, str(session.result_branch))
    assert not done
    assert "cannot be read" in said


def test_an_oversized_memory_is_held_back(git: GitBuilder, session: SessionResult) -> None:
    git.commit({".mimo/memory/big.md": "x" * 300_000})
    done, said = _push(git, "main")
    assert not done
    assert "too big" in said


def test_deleting_and_pushing_notes_and_tags_go_through(git: GitBuilder, session: SessionResult) -> None:
    assert _push(git, str(session.result_branch))[0]
    assert _push(git, "--delete", str(session.result_branch))[0]
    assert _push(git, "refs/notes/mimo")[0]
    git("tag", "v1")
    assert _push(git, "v1")[0]


def test_a_repository_without_git_mimo_is_none_of_our_business(git: GitBuilder, tmp_path: Path) -> None:
    git.commit({"app.py": APP})
    git("init", "--quiet", "--bare", "--initial-branch=main", str(tmp_path / "remote.git"))
    git("remote", "add", "origin", str(tmp_path / "remote.git"))
    program = tmp_path / "git-mimo"
    root = Path(__file__).parent.parent.parent
    program.write_text(f"#!/bin/sh\nPYTHONPATH='{root}' exec '{sys.executable}' -P -m gitmimo \"$@\"\n")
    program.chmod(0o755)
    install_hooks(Repository.discover(git.path), command=(str(program),), use_config=False)
    assert _push(git, "--quiet", "main") == (True, "code=0")


def test_code_of_the_repository_does_not_run_in_a_hook(git: GitBuilder, session: SessionResult, tmp_path: Path) -> None:
    trap = f"open({str(tmp_path / 'trapped')!r}, 'w')\n"
    git.commit({"gitmimo/__init__.py": trap, "gitmimo/__main__.py": trap, "json.py": trap, "sitecustomize.py": trap})
    assert _push(git, "main")[0]
    assert not (tmp_path / "trapped").exists()


def test_evidence_follows_an_amended_commit_of_the_same_tree(git: GitBuilder, session: SessionResult) -> None:
    git("checkout", "--quiet", "-B", "work", f"{session.result_branch}")
    git("commit", "--quiet", "--amend", "-m", "another message")
    note = read_evidence(Repository.discover(git.path), Oid(git("rev-parse", "HEAD")))
    assert note is not None
    assert note.session == SESSION


def test_evidence_follows_a_rebase_by_its_patch(git: GitBuilder, session: SessionResult) -> None:
    git.commit({"other.txt": "2\n"})
    git("checkout", "--quiet", str(session.result_branch))
    git("rebase", "--quiet", "main")
    note = read_evidence(Repository.discover(git.path), Oid(git("rev-parse", "HEAD")))
    assert note is not None
    assert note.session == SESSION


def test_evidence_follows_a_squash_merge_that_is_pulled(
    git: GitBuilder, session: SessionResult, tmp_path: Path
) -> None:
    git("clone", "--quiet", str(tmp_path / "remote.git"), str(tmp_path / "server"))
    server = GitBuilder(tmp_path / "server")
    server.commit({"other.txt": "2\n"})
    server("fetch", "--quiet", str(git.path), f"{session.result_branch}:feature")
    server("merge", "--quiet", "--squash", "feature")
    server("commit", "--quiet", "-m", "squashed by the server (#7)")
    server("push", "--quiet", "origin", "main")
    git("pull", "--quiet", "--no-rebase", "origin", "main")
    found = find_evidence(Repository.discover(git.path), Oid(git("rev-parse", "HEAD")))
    assert found is not None
    assert (found.how, found.note.session) == ("commit", SESSION)


def test_an_unrelated_pull_brings_no_note(git: GitBuilder, session: SessionResult, tmp_path: Path) -> None:
    git("clone", "--quiet", str(tmp_path / "remote.git"), str(tmp_path / "server"))
    server = GitBuilder(tmp_path / "server")
    server.commit({"other.txt": "2\n"})
    server("push", "--quiet", "origin", "main")
    git("pull", "--quiet", "--no-rebase", "origin", "main")
    assert find_evidence(Repository.discover(git.path), Oid(git("rev-parse", "HEAD"))) is None


def test_a_pulled_revert_becomes_an_outcome_once(git: GitBuilder, session: SessionResult, tmp_path: Path) -> None:
    git("merge", "--quiet", str(session.result_branch))
    git("push", "--quiet", "origin", "main")
    git("clone", "--quiet", str(tmp_path / "remote.git"), str(tmp_path / "server"))
    server = GitBuilder(tmp_path / "server")
    change = git("rev-parse", f"{session.result_branch}")
    server("revert", "--no-edit", change)
    server("push", "--quiet", "origin", "main")
    git("pull", "--quiet", "--no-rebase", "origin", "main")
    git("merge", "--quiet", "origin/main")
    repository = Repository.discover(git.path)
    outcomes = outcomes_by_session(repository)[SESSION]
    assert [(outcome.label, outcome.commit) for outcome in outcomes] == [("reverted", git("rev-parse", "HEAD"))]


def test_a_verdict_about_other_files_is_taken_out_of_an_amended_message(
    git: GitBuilder, session: SessionResult
) -> None:
    git("checkout", "--quiet", "-B", "work", f"{session.result_branch}")
    git("commit", "--quiet", "--amend", "--no-edit")
    assert "Mimo-Verdict: pass" in git("log", "-1", "--format=%B")
    git.write({"app.py": GOOD + "# more\n"})
    git("commit", "--quiet", "--all", "--amend", "--no-edit")
    message = git("log", "-1", "--format=%B")
    assert "Mimo-Verdict" not in message
    assert "Mimo-Session" in message


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", "not json", '{"schema":"git-mimo/note/2"}', '{"schema":"git-mimo/note/1","session":"../../x"}'],
)
def test_a_note_of_another_form_is_named_as_damaged(text: str) -> None:
    with pytest.raises(DamagedNote):
        parse_note(text, "0" * 40)


def test_a_note_with_unknown_keys_is_refused(git: GitBuilder, session: SessionResult) -> None:
    repository = Repository.discover(git.path)
    value = json.loads(notes.read_note(repository, Oid(str(session.result_commit))) or "")
    with pytest.raises(DamagedNote, match="unknown key"):
        parse_note(json.dumps({**value, "surprise": 1}), "0" * 40)
