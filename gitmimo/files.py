"""Files written whole or not at all, and directories removed whatever was left in them."""

import contextlib
import os
import secrets
import shutil
from pathlib import Path


def write_file(path: Path, data: str | bytes, *, mode: int = 0o600, synced: bool = False) -> None:
    """Replace a file by one with this content and mode, so that a reader sees the old one or the new one, never a part.

    The directory must exist. A symbolic link at the path is replaced, not followed. With `synced` the content is on
    disk on return. OSError when it can't be written; then nothing is left over.
    """
    scratch = path.with_name(f".{path.name[:100]}.{secrets.token_hex(6)}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    handle = os.open(scratch, flags, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
            os.fchmod(handle, mode)
            if synced:
                file.flush()
                os.fsync(handle)
        scratch.replace(path)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise


def remove_tree(path: Path, *, ignore_errors: bool = False) -> None:
    """Remove a file, link or directory with all in it; links are removed, not followed. Does nothing when it is gone.

    Also removes what was made read-only, and trees too deep for the system's path length. OSError names what can't be
    removed, unless `ignore_errors`.
    """
    with contextlib.suppress(*([OSError] if ignore_errors else [])):
        _remove(path)


def _remove(path: Path) -> None:
    if path.is_symlink() or not path.is_dir():
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            path.unlink()
        return
    try:
        shutil.rmtree(path)
    except FileNotFoundError:
        if path.is_dir():
            _remove_stubborn(path)
    except (OSError, RecursionError):
        _remove_stubborn(path)


def _remove_stubborn(top: Path) -> None:
    """Empty a directory by moving each subdirectory up to it: no path gets longer, and none needs recursion."""
    while True:
        top.chmod(0o700)
        directories = [Path(item.path) for item in os.scandir(top) if _remove_item(item)]
        if not directories:
            break
        for directory in directories:
            directory.chmod(0o700)
            for item in os.scandir(directory):
                if _remove_item(item):
                    Path(item.path).chmod(0o700)  # a directory may be moved by who may write to it
                    Path(item.path).rename(top / f".removed-{secrets.token_hex(8)}")
            directory.rmdir()
    top.rmdir()


def _remove_item(item: os.DirEntry[str]) -> bool:
    """Unlink anything but a directory; says whether it is one."""
    if item.is_dir(follow_symlinks=False):
        return True
    with contextlib.suppress(FileNotFoundError):
        Path(item.path).unlink()
    return False
