"""A session in a process of its own, which outlives the terminal it was started from."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from gitmimo.errors import MimoError
from gitmimo.git.repository import Repository
from gitmimo.journal import Entry, read_journal
from gitmimo.records import SessionId
from gitmimo.workflow.history import sessions_directory

LOG_NAME = "log"
_POLL_S = 0.1


class NotStarted(MimoError):
    """The detached process ended before its session began; the message is what it said."""

    def __init__(self, message: str, *, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def detach(repository: Repository, session: SessionId, arguments: Sequence[str], *, task: str) -> Path:
    """Start `git mimo ARGUMENTS` in its own session of the system, and return its log once the journal has begun.

    The task goes over stdin, so that no list of processes shows it.
    """
    directory = sessions_directory(repository) / session
    directory.mkdir(parents=True, exist_ok=True)
    log = directory / LOG_NAME
    with log.open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "gitmimo", *arguments],
            cwd=Path.cwd(),
            env=dict(os.environ),
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        if process.stdin is not None:
            process.stdin.write(task.encode())
            process.stdin.close()
    while not read_journal(directory / "journal.jsonl"):
        code = process.poll()
        if code is not None:
            text = log.read_text(errors="replace").strip()
            log.unlink()
            directory.rmdir() if not any(directory.iterdir()) else None
            raise NotStarted(text.removeprefix("fatal: ") or "the session did not begin", exit_code=code)
        time.sleep(_POLL_S)
    process.returncode = 0  # it is not ours to wait for any more
    return log


def follow(
    repository: Repository, session: SessionId, show: Callable[[Entry], None], *, is_running: Callable[[], bool]
) -> None:
    """Tell every entry of a session's journal, the past ones first, until the session no longer runs."""
    path = sessions_directory(repository) / session / "journal.jsonl"
    told = 0
    while True:
        runs = is_running()
        entries = read_journal(path)
        for entry in entries[told:]:
            show(entry)
        told = len(entries)
        if not runs:
            return
        time.sleep(_POLL_S)
