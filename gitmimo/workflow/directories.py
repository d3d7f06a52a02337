"""Where git-mimo keeps files of its own: the person's, a session's worktrees, a session's journal."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from gitmimo.git.repository import Repository
    from gitmimo.ids import SessionId

LOCK_NAME = "lock"
STOP_NAME = "stop"


def state_home() -> Path:
    """The user's state directory for git-mimo."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "git-mimo"


def config_home() -> Path:
    """The user's configuration directory for git-mimo."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "git-mimo"


def data_home() -> Path:
    """The user's data directory for git-mimo: models."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "git-mimo"


def repository_key(repository: Repository) -> str:
    """A name for this repository on this machine: its directory's name and a hash of the path of its git directory."""
    name = (repository.work_tree or repository.common_dir).name
    digest = hashlib.sha256(str(repository.common_dir.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:10]
    return f"{re.sub(r'[^A-Za-z0-9._-]+', '-', name).strip('-.') or 'repository'}-{digest}"


def session_directory(repository: Repository, session: SessionId, *, root: str = "") -> Path:
    """Where the worktrees of a session are made: outside the checkout, outside `.git`, outside temp."""
    top = Path(root).expanduser() if root else state_home()
    return top / repository_key(repository) / session


class Home(Protocol):
    """A repository, opened or not."""

    @property
    def state_dir(self) -> Path:
        """Where git-mimo keeps what may vanish."""


def sessions_directory(repository: Home) -> Path:
    """The directory of this repository's session journals."""
    return repository.state_dir / "sessions"


def journal_path(repository: Home, session: SessionId) -> Path:
    """The journal of a session; its directory holds the session's lock as well."""
    return sessions_directory(repository) / session / "journal.jsonl"


def hints_path(repository: Home, session: SessionId) -> Path:
    """What a person said to a session's candidates while they work, one JSON object a line."""
    return sessions_directory(repository) / session / "hints.jsonl"


def stop_name(number: int) -> str:
    """The file in a session's directory that asks one of its candidates to stop."""
    return f"{STOP_NAME}-{number}"
