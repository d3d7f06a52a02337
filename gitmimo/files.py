"""Files written whole or not at all, and directories removed whatever was left in them."""

import os
import secrets
import shutil
import subprocess
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
    try:
        if path.is_symlink() or not path.is_dir():
            path.unlink(missing_ok=True)
        else:
            shutil.rmtree(path)
    except (OSError, RecursionError):
        # the system's own program goes down any depth; it needs access to what it empties
        subprocess.run(["chmod", "-R", "u+rwX", "--", path], capture_output=True, check=False)
        done = subprocess.run(["rm", "-rf", "--", path], capture_output=True, text=True, check=False)
        if done.returncode and not ignore_errors:
            raise OSError(done.stderr.strip().removeprefix("rm: ")) from None
