"""The names of git-mimo's branches and refs."""

import re
import unicodedata

from gitmimo.ids import SessionId

NOTES_REF = "refs/notes/mimo"
OPS_PREFIX = "refs/mimo/ops/"
_OURS = re.compile(r"refs/(mimo/|notes/mimo\Z|heads/mimo/|heads/.+/[0-9a-v]{10}/\d+\Z)")
_SLUG_LENGTH = 40


def candidate_branch(session: SessionId, number: int, *, prefix: str = "mimo") -> str:
    """Return the name of a candidate's branch."""
    return f"{prefix}/{session}/{number}"


def result_branch(session: SessionId, task_text: str, *, prefix: str = "mimo") -> str:
    """Return the name of the branch with a session's result: the task's first words, then the session."""
    plain = unicodedata.normalize("NFKD", task_text).encode("ascii", "ignore").decode().lower()
    slug = ""
    for word in re.findall(r"[a-z0-9]+", plain):
        if len(slug) + len(word) + 1 > _SLUG_LENGTH:
            break
        slug = f"{slug}-{word}" if slug else word
    return f"{prefix}/{slug or 'task'}-{session}"


def candidate_ref(session: SessionId, number: int) -> str:
    """Return the private ref that keeps a candidate's last commit when its branch goes."""
    return f"refs/mimo/candidates/{session}/{number}"


def base_ref(session: SessionId) -> str:
    """Return the private ref that keeps a session's base."""
    return f"refs/mimo/base/{session}"


def branch_ref(branch: str) -> str:
    """Return a branch's full ref."""
    return f"refs/heads/{short_name(branch)}"


def short_name(ref: str) -> str:
    """Return a ref as people write it: without `refs/heads/`."""
    return ref.removeprefix("refs/heads/")


def is_own_ref(ref: str) -> bool:
    """Whether git-mimo made the ref, so that nobody else moves it."""
    return bool(_OURS.match(ref))
