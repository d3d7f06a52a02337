"""Files of a work tree read and written from outside the sandbox, one directory at a time and never through a link."""

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

from gitmimo.errors import MimoError
from gitmimo.git.repository import is_git_dir_name
from gitmimo.text import quoted

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
MOST_BYTES = 32 << 20


class PathRefused(MimoError):
    """A path that must not be read or written; nothing was touched."""


def check_inside(path: str) -> tuple[str, ...]:
    """Return the parts of a relative path; PathRefused when it is absolute, climbs, or names git's own directory."""
    shown = quoted(path)
    if not path or path.endswith("/") or path.strip() == ".":
        raise PathRefused(f"not the path of a file: {shown}")
    if "\0" in path:
        raise PathRefused(f"the path contains a NUL character: {shown}")
    if path.startswith(("/", "~")) or (len(path) > 1 and path[1] == ":") or path.startswith("\\\\"):
        raise PathRefused(f"the path is absolute: {shown}", hint="paths are relative to the top of the work tree")
    parts = tuple(part for part in path.split("/") if part not in ("", "."))
    if ".." in parts or any(".." in part.split("\\") for part in parts):
        raise PathRefused(f"the path leads out of the work tree: {shown}")
    if any(is_git_dir_name(piece) for part in parts for piece in part.split("\\")):
        raise PathRefused(f"the path is in git's own directory: {shown}")
    return parts


def read_inside(root: Path, path: str, *, most_bytes: int = MOST_BYTES) -> bytes | None:
    """Return a file's bytes, None when there is no such file. PathRefused for links, devices and too large files."""
    parts = check_inside(path)
    try:
        with _parent(root, parts, path, create=False) as directory:
            fd = os.open(parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
            with os.fdopen(fd, "rb") as file:
                kind = os.fstat(fd)
                if not stat.S_ISREG(kind.st_mode):
                    raise PathRefused(f"not a regular file: {quoted(path)}")
                if kind.st_size > most_bytes:
                    raise PathRefused(f"the file is too large to read: {quoted(path)}")
                return file.read(most_bytes + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _refused(path, error) from error


def write_inside(root: Path, path: str, data: bytes | None) -> None:
    """Write a file as a whole, or remove it where `data` is None; missing directories are made, the mode is kept.

    What is written lands in the directory that was opened, also when its name has been given to something else
    meanwhile. PathRefused when a link, a directory or a device is in the way.
    """
    parts = check_inside(path)
    try:
        with _parent(root, parts, path, create=data is not None) as directory:
            mode = _mode_of(directory, parts[-1], path)
            if data is None:
                os.unlink(parts[-1], dir_fd=directory)
                return
            _replace(directory, parts[-1], data, mode)
    except OSError as error:
        raise _refused(path, error) from error


@contextlib.contextmanager
def _parent(root: Path, parts: tuple[str, ...], path: str, *, create: bool) -> Iterator[int]:
    """Open the directory of a path, part by part, each beneath the one before and none through a link."""
    directory = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    top = os.fstat(directory).st_dev
    try:
        for part in parts[:-1]:
            if create:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, 0o777, dir_fd=directory)
            below = os.open(part, _DIRECTORY, dir_fd=directory)
            os.close(directory)
            directory = below
        if create and os.fstat(directory).st_dev != top:
            raise PathRefused(f"the path leads to another file system: {quoted(path)}")
        yield directory
    finally:
        os.close(directory)


def _mode_of(directory: int, name: str, path: str) -> int:
    """The mode that a file has or is to have; PathRefused when something else has its name."""
    try:
        found = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return 0o644
    if not stat.S_ISREG(found.st_mode):
        what = "a symlink" if stat.S_ISLNK(found.st_mode) else "no regular file"
        raise PathRefused(f"{what} is in the way: {quoted(path)}")
    return stat.S_IMODE(found.st_mode) & 0o777


def _replace(directory: int, name: str, data: bytes, mode: int) -> None:
    temporary = f".mimo-{secrets.token_hex(8)}"
    fd = os.open(
        temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=directory
    )
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            os.fchmod(fd, mode)
        os.replace(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=directory)
        raise


def _refused(path: str, error: OSError) -> PathRefused:
    shown = quoted(path)
    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        return PathRefused(f"a symlink or file is in the way of the path: {shown}")
    return PathRefused(f"{(error.strerror or 'cannot be used').lower()}: {shown}")
