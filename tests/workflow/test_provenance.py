"""Where lines come from, after moves, rebases and squashes; and which step broke a test."""

import json
from pathlib import Path

import pytest

from gitmimo.errors import RepoError, UsageError
from gitmimo.git.repository import Repository
from gitmimo.records import SessionResult
from gitmimo.workflow.provenance import explain_line
from tests.conftest import GitBuilder
from tests.made_session import SESSION, Attempt, make_session, write_journal
from tests.project import PROJECT, RIGHT, mimo

BASE = "".join(f"def f{i}(x):\n    value = x + {i}\n    return value\n\n\n" for i in range(4))
FIRST = BASE.replace("value = x + 2", "value = x + 22  # the second function")
SECOND = FIRST.replace("value = x + 3", "value = x + 33  # the third function")


@pytest.fixture
def session(git: GitBuilder) -> SessionResult:
    """A session of two steps, each of which changed one line."""
    git.commit({"app.py": BASE, "other.py": "x = 1\n"})
    return make_session(git, [Attempt(steps=[{"app.py": FIRST}, {"app.py": SECOND}])])


def _line(text: str, part: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), 1) if part in line)


def test_a_merged_line_leads_to_its_step(git: GitBuilder, session: SessionResult) -> None:
    git("merge", "--quiet", str(session.result_branch))
    repository = Repository.discover(git.path)
    for part, number in (("second function", 1), ("third function", 2)):
        found = explain_line(repository, "app.py", _line(SECOND, part))
        assert found.step is not None
        assert (found.session, found.candidate, found.step.number, found.how) == (SESSION, 1, number, "commit")
        assert found.model == "openai/some-model"
        assert found.note is not None
        assert found.note.evidence.passed


def test_a_line_of_a_person_has_no_session(git: GitBuilder, session: SessionResult) -> None:
    git("merge", "--quiet", str(session.result_branch))
    found = explain_line(Repository.discover(git.path), "app.py", 1)
    assert (found.session, found.note, found.commit) == (None, None, session.base)


def test_a_rebased_line_is_known_by_its_patch(git: GitBuilder, session: SessionResult) -> None:
    git.commit({"other.py": "x = 2\n"})
    git("checkout", "--quiet", "-B", "work", str(session.result_branch))
    git("rebase", "--quiet", "main")
    found = explain_line(Repository.discover(git.path), "app.py", _line(SECOND, "third"))
    assert (found.session, found.how) == (SESSION, "patch")
    assert found.step is not None
    assert found.step.number == 2


def test_a_squashed_line_is_known_by_its_patch(git: GitBuilder, session: SessionResult) -> None:
    git.commit({"other.py": "x = 2\n"})
    git("merge", "--quiet", "--squash", str(session.result_branch))
    git("commit", "--quiet", "-m", "squashed")
    found = explain_line(Repository.discover(git.path), "app.py", _line(SECOND, "third"))
    assert (found.session, found.how) == (SESSION, "patch")


def test_a_squash_with_other_changes_is_known_by_the_messages_in_it(git: GitBuilder, session: SessionResult) -> None:
    git("merge", "--quiet", "--squash", str(session.result_branch))
    git.write({"other.py": "x = 3\n"})
    message = git("log", "-1", "--format=%B", f"{session.result_branch}")
    quoted = "\n".join(f"  {line}" for line in message.splitlines())
    git("commit", "--quiet", "--all", "-m", f"Several things (#7)\n\n* one\n\n{quoted}\n\n* two\n")
    found = explain_line(Repository.discover(git.path), "app.py", _line(SECOND, "third"))
    assert (found.session, found.how, found.candidate) == (SESSION, "session", 1)


def test_a_moved_line_is_followed_to_its_old_file(git: GitBuilder, session: SessionResult) -> None:
    git("merge", "--quiet", str(session.result_branch))
    git("mv", "app.py", "moved.py")
    git.commit({"other.py": "x = 4\n"})
    found = explain_line(Repository.discover(git.path), "moved.py", _line(SECOND, "third"))
    assert (found.session, found.original_path) == (SESSION, "app.py")
    assert found.step is not None


def test_without_the_candidates_refs_evidence_is_still_found(
    git: GitBuilder, session: SessionResult, tmp_path: Path
) -> None:
    git("merge", "--quiet", str(session.result_branch))
    clone = GitBuilder(tmp_path / "clone")
    clone("fetch", "--quiet", str(git.path), "+main:refs/heads/other", "+refs/notes/mimo:refs/notes/mimo")
    clone("checkout", "--quiet", "other")
    found = explain_line(Repository.discover(clone.path), "app.py", _line(SECOND, "third"))
    assert (found.session, found.step, found.model) == (SESSION, None, "openai/some-model")
    assert found.note is not None


def test_a_damaged_note_is_a_problem_that_is_told(git: GitBuilder, session: SessionResult) -> None:
    git("merge", "--quiet", str(session.result_branch))
    git("notes", "--ref=mimo", "add", "--force", "-m", "no json", f"{session.result_branch}")
    found = explain_line(Repository.discover(git.path), "app.py", _line(SECOND, "third"))
    assert "cannot be read" in found.problem
    assert found.session == SESSION


@pytest.mark.parametrize(("path", "line"), [("app.py", 999), ("nothing.py", 1), ("app.py", 0)])
def test_a_line_that_is_not_there_is_an_error(git: GitBuilder, session: SessionResult, path: str, line: int) -> None:
    with pytest.raises((RepoError, UsageError)):
        explain_line(Repository.discover(git.path), path, line)


def test_why_on_the_command_line_from_a_subdirectory(git: GitBuilder, session: SessionResult) -> None:
    git("merge", "--quiet", str(session.result_branch))
    (git.path / "sub").mkdir()
    line = _line(SECOND, "third")
    said = mimo("why", f"../app.py:{line}", cwd=git.path / "sub")
    assert said.code == 0, said.err
    assert "step:      2: write" in said.out
    assert "pass 3/3 (on this commit)" in said.out
    assert mimo("why", "app.py:1", cwd=git.path).code == 1
    assert mimo("why", "app.py", cwd=git.path).code == 129
    assert mimo("why", "../outside:1", cwd=git.path).code == 129


def test_bisect_names_the_step_that_broke_a_test(git: GitBuilder) -> None:
    git.commit({**PROJECT, "calc.py": RIGHT})
    harmless = [{"calc.py": RIGHT + f"\n\ndef g{i}():\n    return {i}\n"} for i in range(5)]
    broken = [{"calc.py": step["calc.py"].replace("a + b", "a + b + 1")} for step in harmless[3:]]
    attempt = Attempt(steps=[*harmless[:3], *broken], passed=False, broken=("tests/test_calc.py::test_sum",))
    session = make_session(git, [attempt])
    write_journal(git, session)
    said = mimo("bisect", "--sandbox", "none", "--json", cwd=git.path)
    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert found["step"] == 4
    assert found["test"] == "tests/test_calc.py::test_sum"
    assert found["judged"] <= 4
    none = mimo("bisect", "--sandbox", "none", "--test-id", "tests/test_calc.py::test_nothing", cwd=git.path)
    assert none.code == 1
