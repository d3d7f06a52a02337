"""The user's name, address and time, as git would write them into a commit."""

import os
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pygit2

from gitmimo.errors import RepoError
from gitmimo.git.binary import GitFailed, run_git


@dataclass(frozen=True, slots=True)
class Ident:
    """Name, address and moment of an author or committer."""

    name: str
    email: str
    time_s: int
    offset_minutes: int

    @property
    def signature(self) -> pygit2.Signature:
        return pygit2.Signature(self.name, self.email, self.time_s, self.offset_minutes)

    def now(self) -> "Ident":
        """Return the same person at this moment."""
        seconds = time.time()
        return replace(self, time_s=int(seconds), offset_minutes=time.localtime(seconds).tm_gmtoff // 60)


def read_ident(variable: str, *, git_dir: Path) -> Ident:
    """Ask git for GIT_AUTHOR_IDENT or GIT_COMMITTER_IDENT. RepoError with the remedy when it knows no name."""
    inherited = {k: v for k, v in os.environ.items() if k.startswith("GIT_CONFIG_")}  # git -c user.name=… mimo
    try:
        line = run_git(["var", variable], git_dir=git_dir, cwd=git_dir, env=inherited).text
    except GitFailed as exc:
        raise RepoError(
            "git does not know who you are",
            hint='git config --global user.name "Your Name" && git config --global user.email you@example.org',
        ) from exc
    name, _, rest = line.partition(" <")
    email, _, moment = rest.rpartition("> ")
    seconds, _, zone = moment.partition(" ")
    offset = (int(zone[1:3]) * 60 + int(zone[3:5])) * (-1 if zone.startswith("-") else 1)
    return Ident(name, email, int(seconds), offset)
