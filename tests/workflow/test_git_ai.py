"""Provenance in git-ai's form."""

import json

import pytest

from gitmimo.errors import RepoError
from gitmimo.git.repository import Repository
from gitmimo.records import Oid
from gitmimo.workflow.git_ai import authorship_note, export_authorship, ranges
from tests.conftest import GitBuilder
from tests.made_session import SESSION, Attempt, make_session
from tests.project import mimo


def test_line_numbers_become_ranges() -> None:
    assert ranges([7, 1, 2, 3, 9, 8]) == "1-3,7-9"
    assert ranges([5]) == "5"


def test_a_change_commit_names_its_lines_its_session_and_its_model(git: GitBuilder) -> None:
    git.commit({"a.py": "1\n2\n3\n", "with space.py": "x\n"})
    session = make_session(git, [Attempt(steps=[{"a.py": "1\ntwo\n3\n4\n5\n", "with space.py": "y\n"}])])
    git("merge", "--quiet", str(session.result_branch))
    said = mimo("export", "git-ai", cwd=git.path)
    assert said.code == 0, said.err
    change = git("rev-parse", f"{session.result_branch}~1")
    text = git("notes", "--ref=ai", "show", change)
    lines, _, head = text.partition("\n---\n")
    key = lines.splitlines()[1].split()[0]
    assert lines.splitlines() == ["a.py", f"  {key} 2,4-5", '"with space.py"', f"  {key} 1"]
    document = json.loads(head)
    assert document["schema_version"] == "authorship/3.0.0"
    assert document["base_commit_sha"] == change
    prompt = document["prompts"][key]
    assert prompt["agent_id"] == {"tool": "git-mimo", "id": SESSION, "model": "openai/some-model"}
    assert prompt["accepted_lines"] == 4
    assert git("notes", "--ref=ai", "list").count("\n") == 0


def test_notes_of_others_stay(git: GitBuilder) -> None:
    git.commit({"a.py": "1\n"})
    session = make_session(git, [Attempt(steps=[{"a.py": "2\n"}])])
    change = git("rev-parse", f"{session.result_branch}~1")
    git("notes", "--ref=ai", "add", "-m", "theirs", change)
    repository = Repository.discover(git.path)
    assert export_authorship(repository, str(session.result_branch)).kept == (change,)
    assert git("notes", "--ref=ai", "show", change) == "theirs"
    assert export_authorship(repository, str(session.result_branch), replace=True).written == (change,)


def test_a_commit_of_a_person_has_none_and_an_impossible_name_is_refused(git: GitBuilder) -> None:
    git.commit({"a.py": "1\n"})
    session = make_session(git, [Attempt(steps=[{'odd"name.py': "2\n"}])])
    repository = Repository.discover(git.path)
    assert authorship_note(repository, session.base) is None
    with pytest.raises(RepoError, match="file name"):
        authorship_note(repository, Oid(git("rev-parse", f"{session.result_branch}~1")))
