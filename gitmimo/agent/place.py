"""Reading and writing one file of a worktree without ever following a symbolic link out of it."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from gitmimo.errors import MimoError


def read_file(root: Path, path: str) -> bytes | None:
    """The file's bytes, or None when there is none. A link, a directory or a special file is an error."""
    with _directory(root, path, make=False) as opened:
        if opened is None:
            return None
        try:
            handle = os.open(opened[1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=opened[0])
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise MimoError(f"`{path}` can't be read: {exc.strerror}") from exc
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise MimoError(f"`{path}` is no regular file")
            return file.read()


def write_file(root: Path, path: str, data: bytes) -> None:
    """Replace or create the file in one move, with the old one's mode; folders are made."""
    with _directory(root, path, make=True) as opened:
        assert opened is not None
        directory, name = opened
        mode = _mode(directory, name, path)
        fresh = f".{name[:60]}.{os.getpid()}.mimo"
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666, dir_fd=directory)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                if mode is not None:
                    os.fchmod(handle, mode)
            os.rename(fresh, name, src_dir_fd=directory, dst_dir_fd=directory)
        except OSError:
            os.unlink(fresh, dir_fd=directory)
            raise


def _mode(directory: int, name: str, path: str) -> int | None:
    try:
        found = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(found.st_mode):
        raise MimoError(f"`{path}` is no regular file")
    return stat.S_IMODE(found.st_mode)


@contextmanager
def _directory(root: Path, path: str, *, make: bool) -> Iterator[tuple[int, str] | None]:
    """A handle on the folder that holds the path, reached from the root link by link, and the name in it."""
    *folders, name = PurePosixPath(path).parts
    handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for folder in folders:
            if make:
                with suppress(FileExistsError):
                    os.mkdir(folder, dir_fd=handle)
            try:
                flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
                below = os.open(folder, flags, dir_fd=handle)
            except FileNotFoundError:
                yield None
                return
            except OSError as exc:
                raise MimoError(f"`{path}` goes through `{folder}`, which is no folder of the worktree") from exc
            os.close(handle)
            handle = below
        yield handle, name
    finally:
        os.close(handle)
