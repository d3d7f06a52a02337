"""What the hooks hold back, carry and record, by real pushes, merges and commits."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from gitmimo.evidence import Gate, Outcome
from gitmimo.git.commit import read_note, write_note
from gitmimo.git.repository import Repository
from gitmimo.hooks import install_hooks
from gitmimo.ids import Oid
from gitmimo.records import SessionResult
from gitmimo.workflow.evidence_notes import (
    DamagedNote,
    find_evidence,
    parse_note,
    read_evidence,
    write_evidence,
)
from tests.conftest import GitBuilder
from tests.made_session import SESSION, Attempt, make_session

APP = "def f(x):\n    return None\n"
GOOD = "def f(x):\n    return x\n"


def _with_hooks(git: GitBuilder, tmp_path: Path) -> None:
    git("init", "--quiet", "--bare", "--initial-branch=main", str(tmp_path / "remote.git"))
    git("remote", "add", "origin", str(tmp_path / "remote.git"))
    program = tmp_path / "git-mimo"
    root = Path(__file__).parent.parent.parent
    program.write_text(f"#!/bin/sh\nPYTHONPATH='{root}' exec '{sys.executable}' -P -m gitmimo \"$@\"\n")
    program.chmod(0o755)
    install_hooks(Repository.discover(git.path), command=(str(program),))


@pytest.fixture
def session(git: GitBuilder, tmp_path: Path) -> SessionResult:
    """A repository with a remote, our hooks, and a session whose candidate 1 passed."""
    git.commit({"app.py": APP, "other.txt": "1\n"})
    _with_hooks(git, tmp_path)
    git("push", "--quiet", "--no-verify", "origin", "main")
    return make_session(git, [Attempt(steps=[{"app.py": GOOD}]), Attempt(steps=[{"app.py": APP * 2}], passed=False)])


def _push(git: GitBuilder, *refs: str) -> tuple[bool, str]:
    """Push and say whether it went through, and what git and the hook said."""
    said = git("-c", 'alias.both=!git push "$@" 2>&1; echo code=$?; :', "both", "origin", *refs)
    return said.endswith("code=0"), said


def test_a_result_that_passed_notes_tags_and_deletions_go_through(git: GitBuilder, session: SessionResult) -> None:
    git("tag", "v1")
    assert _push(git, "--quiet", str(session.result_branch), "refs/notes/mimo", "v1") == (True, "code=0")
    assert _push(git, "--delete", str(session.result_branch))[0]


def test_what_is_private_is_held_back_under_any_name(git: GitBuilder, session: SessionResult) -> None:
    for refs, said in {
        f"mimo/{SESSION}/1": ("candidate's branch", f"git mimo pr {SESSION}"),
        f"mimo/{SESSION}/1:refs/heads/innocent": ("raw trajectories",),
        "refs/mimo/*:refs/mimo/*": ("private refs",),
    }.items():
        done, heard = _push(git, refs)
        assert not done, refs
        assert [text for text in said if text not in heard] == []


def test_a_result_whose_evidence_does_not_say_that_it_passed_is_held_back(
    git: GitBuilder, session: SessionResult
) -> None:
    repository, result = Repository.discover(git.path), Oid(str(session.result_commit))
    note = read_evidence(repository, result)
    assert note is not None

    def held_back(*texts: str) -> None:
        done, said = _push(git, str(session.result_branch))
        assert not done
        assert [text for text in texts if text not in said] == []

    git("update-ref", "-d", "refs/notes/mimo")
    held_back("nothing is known", "hint: git mimo ci")
    write_note(repository, result, '{"schema": "other"}')
    held_back("cannot be read")
    red = replace(note.evidence, gates=(Gate(name="suite", outcome=Outcome.FAIL, detail="2 tests broke"),))
    write_evidence(repository, [result], replace(note, evidence=red))
    held_back("suite: 2 tests broke")
    git("checkout", "--quiet", str(session.result_branch))
    write_evidence(repository, [Oid(git.commit({"app.py": GOOD + "# more\n"}))], note)
    held_back("changed since")


def test_an_oversized_memory_is_held_back(git: GitBuilder, session: SessionResult) -> None:
    git.commit({".mimo/memory/big.md": "x" * 300_000})
    done, said = _push(git, "main")
    assert not done
    assert "too big" in said


def test_a_repository_without_git_mimo_is_none_of_our_business(git: GitBuilder, tmp_path: Path) -> None:
    git.commit({"app.py": APP})
    _with_hooks(git, tmp_path)
    assert _push(git, "--quiet", "main") == (True, "code=0")


def test_code_of_the_repository_does_not_run_in_a_hook(git: GitBuilder, session: SessionResult, tmp_path: Path) -> None:
    trap = f"open({str(tmp_path / 'trapped')!r}, 'w')\n"
    git.commit({"gitmimo/__init__.py": trap, "gitmimo/__main__.py": trap, "json.py": trap, "sitecustomize.py": trap})
    assert _push(git, "main")[0]
    assert not (tmp_path / "trapped").exists()


def test_evidence_follows_a_rebase_by_its_patch(git: GitBuilder, session: SessionResult) -> None:
    git.commit({"other.txt": "2\n"})
    git("checkout", "--quiet", str(session.result_branch))
    git("rebase", "--quiet", "main")
    note = read_evidence(Repository.discover(git.path), Oid(git("rev-parse", "HEAD")))
    assert note is not None
    assert note.session == SESSION


def test_evidence_follows_a_squash_merge_that_is_pulled_and_nothing_else(
    git: GitBuilder, session: SessionResult, tmp_path: Path
) -> None:
    git("clone", "--quiet", str(tmp_path / "remote.git"), str(tmp_path / "server"))
    server = GitBuilder(tmp_path / "server")
    server.commit({"other.txt": "2\n"})
    server("push", "--quiet", "origin", "main")
    git("pull", "--quiet", "--no-rebase", "origin", "main")
    assert find_evidence(Repository.discover(git.path), Oid(git("rev-parse", "HEAD"))) is None
    server("fetch", "--quiet", str(git.path), f"{session.result_branch}:feature")
    server("merge", "--quiet", "--squash", "feature")
    server("commit", "--quiet", "-m", "squashed by the server (#7)")
    server("push", "--quiet", "origin", "main")
    git("pull", "--quiet", "--no-rebase", "origin", "main")
    found = find_evidence(Repository.discover(git.path), Oid(git("rev-parse", "HEAD")))
    assert found is not None
    assert (found.how, found.note.session) == ("commit", SESSION)


def test_evidence_follows_an_amended_commit_and_leaves_it_with_other_files(
    git: GitBuilder, session: SessionResult
) -> None:
    git("checkout", "--quiet", "-B", "work", f"{session.result_branch}")
    git("commit", "--quiet", "--amend", "--no-edit", "--date=2020-01-01T00:00:00")
    note = read_evidence(Repository.discover(git.path), Oid(git("rev-parse", "HEAD")))
    assert note is not None
    assert note.session == SESSION
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
    value = json.loads(read_note(repository, Oid(str(session.result_commit))) or "")
    with pytest.raises(DamagedNote, match="unknown key"):
        parse_note(json.dumps({**value, "surprise": 1}), "0" * 40)
