"""Files written whole or not at all, directories removed whatever was left in them, locks, and test files by name.

Locks are the kernel's, between threads and processes, and end with their holder, however it ends. They exclude only
those who ask. Children don't inherit them. The lock file is made where absent and never removed, since a lock on a
removed file excludes nobody.
"""

import contextlib
import errno
import fcntl
import os
import re
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from gitmimo.cancel import NEVER
from gitmimo.errors import RepoError


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


_TEST_DIRECTORIES = frozenset({"tests", "test", "__tests__", "spec", "specs", "e2e", "testing"})
_TEST_FILE = re.compile(
    r"(?:test_[^/]*\.py|[^/]*_test\.py|tests\.py|conftest\.py|[^/]*_test\.go|[^/]*[.-](?:test|spec)\.[cm]?[jt]sx?|"
    r"[^/]*(?:Test|Tests|TestCase|IT|Spec)\.(?:java|kt|scala|groovy)|[^/]*_(?:test|spec)\.(?:rb|exs|rs)|"
    r"test[^/]*\.[cm]?js)\Z"
)


def has_test_name(path: str) -> bool:
    """Whether the file's own name is one that test runners of Python, JavaScript, Go, Java, Ruby or Rust collect."""
    return bool(_TEST_FILE.match(path.rpartition("/")[2]))


def is_test_directory(name: str) -> bool:
    """Whether a directory of this name usually holds tests."""
    return name in _TEST_DIRECTORIES


def is_test_path(path: str) -> bool:
    """Whether a file has a test's name or lies in a directory of tests. By convention alone: see `ProtectedPaths`."""
    *parents, _ = path.split("/")
    return has_test_name(path) or any(is_test_directory(parent) for parent in parents)


_POLL_S = 0.02


class LockTimeout(RepoError):
    """Somebody else held the lock for the whole of the wait."""


class FileLock:
    """A lock on one file, exclusive or shared. Not re-entrant."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle = -1

    @property
    def is_held(self) -> bool:
        """Whether this object holds the lock; for anybody see `is_locked`."""
        return self._handle >= 0

    def acquire(
        self, *, shared: bool = False, wait_s: float = 0.0, cancelled: Callable[[], bool] = NEVER.is_set
    ) -> bool:
        """Take the lock; False when it is not free within `wait_s`, or `cancelled` says so.

        RepoError when the file can't be opened, also where a symbolic link lies in its place.
        """
        limit = time.monotonic() + wait_s
        handle = self._open()
        while True:
            try:
                fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= limit or cancelled():
                    os.close(handle)
                    return False
            except BaseException:
                os.close(handle)
                raise
            else:
                self._handle = handle
                return True
            time.sleep(_POLL_S)

    def release(self) -> None:
        """Let go; harmless when nothing is held."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def _open(self) -> int:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            return os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as exc:
            reason = "a symbolic link lies in its place" if exc.errno == errno.ELOOP else exc.strerror
            raise RepoError(f"cannot open the lock file: {reason}: `{self.path}`") from exc


@contextlib.contextmanager
def hold_lock(path: Path, *, wait_s: float = 60.0, cancelled: Callable[[], bool] = NEVER.is_set) -> Iterator[None]:
    """Hold an exclusive lock for the length of a `with`.

    LockTimeout, naming the holder, after `wait_s` seconds or when `cancelled` says so; RepoError as `acquire`.
    """
    lock = FileLock(path)
    if not lock.acquire(wait_s=wait_s, cancelled=cancelled):
        holder = ""
        with contextlib.suppress(OSError):
            holder = path.read_bytes()[:32].decode(errors="replace").strip()
        by = f" by process {holder}" if holder else ""
        raise LockTimeout(f"still locked{by}: `{path}`", hint="wait for the other command to end")
    try:
        with contextlib.suppress(OSError):  # a full disk must not cost the lock
            os.pwrite(lock._handle, str(os.getpid()).ljust(10).encode(), 0)
        yield
    finally:
        lock.release()


def is_locked(path: Path | str) -> bool:
    """Whether somebody holds an exclusive lock now. Asking keeps others from taking it for an instant."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
