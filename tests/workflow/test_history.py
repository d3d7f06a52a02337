"""Which sessions stand where, read from no more journals than it takes."""

from pathlib import Path

from gitmimo.files import hold_lock
from gitmimo.git.discovery import find_repository
from gitmimo.git.repository import Repository
from gitmimo.ids import Oid, SessionId, SessionStatus
from gitmimo.journal import Journal
from gitmimo.records import SessionResult
from gitmimo.workflow.directories import LOCK_NAME, sessions_directory
from gitmimo.workflow.journals import read_all, read_recent, read_running
from tests.conftest import GitBuilder


def _write(directory: Path, *, ended: bool) -> None:
    result = SessionResult(
        session=SessionId(directory.name), status=SessionStatus.PASSED, task="do it", base=Oid("1" * 40),
        target_branch="main",
    )  # fmt: skip
    journal = Journal(directory / "journal.jsonl")
    journal.intend("session", task=result.task, base=result.base, target_branch="main", process=1)
    if ended:
        journal.done("session", result=result)
    journal.close()
    (directory / LOCK_NAME).touch()


def test_running_sessions_come_first_and_old_journals_are_not_read(git: GitBuilder) -> None:
    git.commit({"a": "1\n"})
    place = find_repository(git.path)
    assert place.state_dir == Repository.discover(git.path).state_dir
    top = sessions_directory(place)
    names = [f"000000000{number}" for number in range(8)]
    for name in names:
        _write(top / name, ended=name != names[2])
    for damaged in (names[0], names[7]):
        (top / damaged / "journal.jsonl").write_text("nonsense\n")

    with hold_lock(top / names[2] / LOCK_NAME), hold_lock(top / names[6] / LOCK_NAME):
        shown = read_recent(place, at_least=4)
        assert [state.result.session for state in read_running(place)] == [names[2]]
    assert [(state.result.session, state.result.status) for state in shown] == [
        (names[2], SessionStatus.RUNNING),
        (names[7], SessionStatus.ERROR),
        (names[6], SessionStatus.PASSED),
        (names[5], SessionStatus.PASSED),
    ]

    assert read_running(place) == []
    every = {state.result.session: state.result.status for state in read_all(place)}
    assert every[SessionId(names[0])] is SessionStatus.ERROR
    assert every[SessionId(names[2])] is SessionStatus.STOPPED
