"""The changes that landed, people's and sessions' alike, from git's log."""

import re
from dataclasses import dataclass

from gitmimo.git.repository import Repository
from gitmimo.records import Oid

MOST_CHANGES = 400
_SESSION = "%(trailers:key=Mimo-Session,valueonly,separator=%x20)"
_REVERTS = re.compile(r"^This reverts commit ([0-9a-f]{40})", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One commit that is no merge: its message and the paths it touched, without `.mimo/`, each with its status."""

    commit: Oid
    message: str
    files: tuple[tuple[str, str], ...]  # status letter (A, M, D, R) and path
    session: str = ""

    @property
    def subject(self) -> str:
        return self.message.strip().partition("\n")[0]

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(path for _, path in self.files)


def read_changes(repository: Repository, commit: str, *, limit: int = MOST_CHANGES) -> tuple[Change, ...]:
    """Return the newest changes that a commit has in its history, newest first, reverted ones and reverts left out."""
    listed = repository.run(
        *("log", "--no-merges", f"--max-count={limit}", "--name-status", "-z", "--find-renames", "--no-show-signature"),
        *(f"--format=%x01%H%x02{_SESSION}%x02%B%x02", commit, "--", ".", ":(top,exclude).mimo"),
    ).stdout.decode("utf-8", "replace")
    found = [_change(block) for block in listed.split("\x01")[1:]]
    reverted: set[str] = set()
    for change in found:
        if change.commit not in reverted:
            reverted.update(_REVERTS.findall(change.message))
    return tuple(
        change
        for change in found
        if change.files and change.commit not in reverted and not _REVERTS.search(change.message)
    )


def _change(block: str) -> Change:
    commit, session, message, listed = block.split("\x02", 3)
    fields = [field for field in listed.split("\0") if field.strip()]
    files, position = [], 0
    while position + 1 < len(fields):
        status = fields[position].strip()[:1]
        position += 2 if status in "RC" else 1  # of a rename the new path counts
        if position < len(fields):
            files.append((status, fields[position]))
        position += 1
    return Change(commit=Oid(commit), message=message.strip(), files=tuple(files), session=session.strip())
