"""Read files of a directory in which an agent may work, without following links and without blocking."""

import os
import stat
from pathlib import Path

from gitmimo.git.objects import EXECUTABLE, FILE, LINK

LARGEST_READ = 64 << 20  # larger files are stored by git, and not given to the content check


class Links:
    """Says which paths are behind a symbolic link: git lists the file there, which isn't the one it tracks."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._answers = {"": False}

    def is_behind(self, path: str) -> bool:
        """Whether a parent of the path is a link."""
        parent = path.rpartition("/")[0]
        unknown = []
        while parent not in self._answers:
            unknown.append(parent)
            parent = parent.rpartition("/")[0]
        answer = self._answers[parent]
        for parent in reversed(unknown):
            answer = self._answers[parent] = answer or (self._directory / parent).is_symlink()
        return answer


def read_file(path: Path) -> tuple[int, bytes | None]:
    """Return git's mode and the content; no content where it is too large to store, mode 0 for pipes and devices.

    A link or pipe that an agent put there meanwhile is neither followed nor waited for.
    """
    found = path.lstat()
    if stat.S_ISLNK(found.st_mode):
        return LINK, os.readlink(os.fsencode(path))  # noqa: PTH115 - keeps a//b
    if not stat.S_ISREG(found.st_mode):
        return 0, None
    mode = EXECUTABLE if found.st_mode & stat.S_IXUSR else FILE
    if found.st_size > LARGEST_READ:
        return mode, None
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as handle:
        return mode, handle.read()
