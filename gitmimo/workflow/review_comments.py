"""What a person says about a session in review: comments, and which candidate they would take."""

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from gitmimo.codec import from_json, to_json
from gitmimo.errors import UsageError
from gitmimo.files import write_file
from gitmimo.git.repository import Repository
from gitmimo.locks import hold_lock
from gitmimo.records import SessionId, utc_now
from gitmimo.workflow.history import sessions_directory

MAX_CHARACTERS = 20_000
MAX_COMMENTS = 1_000
_SCHEMA = "git-mimo/opinions/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """One comment, on the whole or on a file."""

    text: str
    path: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewComments:
    """Everything said of one session. `choice` is the candidate that the person would take."""

    comments: tuple[Comment, ...] = ()
    choice: int | None = None


def read_review_comments(repository: Repository, session: SessionId) -> ReviewComments:
    """Return what was said; nothing when nothing was, or when the file is damaged."""
    try:
        value = json.loads(_path(repository, session).read_text(encoding="utf-8"))
        if not isinstance(value, dict) or value.pop("schema", None) != _SCHEMA:
            return ReviewComments()
        return from_json(ReviewComments, value)
    except (OSError, ValueError, TypeError):
        return ReviewComments()


def add_comment(repository: Repository, session: SessionId, text: str, *, path: str = "") -> None:
    """Keep a comment; it reaches candidates with `git mimo revise --comments local`."""
    text = text.replace("\r\n", "\n").strip()
    if not text or len(text) > MAX_CHARACTERS:
        raise UsageError(f"a comment has 1 to {MAX_CHARACTERS} characters")
    with hold_lock(_path(repository, session).with_suffix(".lock"), wait_s=5):
        said = read_review_comments(repository, session)
        if len(said.comments) >= MAX_COMMENTS:
            raise UsageError("too many comments on this session")
        comment = Comment(text=text, path=path[:500], at=utc_now())
        _write(repository, session, ReviewComments(comments=(*said.comments, comment), choice=said.choice))


def choose(repository: Repository, session: SessionId, number: int | None) -> None:
    """Keep which candidate the person would take; None takes it back. Nothing is merged."""
    with hold_lock(_path(repository, session).with_suffix(".lock"), wait_s=5):
        said = read_review_comments(repository, session)
        _write(repository, session, ReviewComments(comments=said.comments, choice=number))


def comments_text(said: ReviewComments) -> str:
    """The comments as one text for a revision."""
    return "\n\n".join(f"{comment.path}: {comment.text}" if comment.path else comment.text
                       for comment in said.comments)  # fmt: skip


def _path(repository: Repository, session: SessionId) -> Path:
    return sessions_directory(repository) / session / "opinions.json"


def _write(repository: Repository, session: SessionId, said: ReviewComments) -> None:
    path = _path(repository, session)
    write_file(path, json.dumps({"schema": _SCHEMA, **to_json(said)}))
