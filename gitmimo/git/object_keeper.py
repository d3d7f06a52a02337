"""Hard links that keep new objects alive until a ref points at them, even while `git gc --prune=now` runs.

A prune removes whatever it did not find reachable when it began, also what has got a ref since then: without this the
user's own gc would leave our refs broken, and then fails itself. While a command writes, each new object gets a link in
a directory of ours that is laid out as an object store. Our own reads find it there, and it is linked back before a ref
is moved to it and when the command ends.
"""

import contextlib
import os
import tempfile
import threading
import zlib
from pathlib import Path

import pygit2

from gitmimo.files import remove_tree
from gitmimo.locks import hold_lock
from gitmimo.records import Oid


class ObjectKeeper:
    """One directory of links. Safe for threads. If linking fails, only git's own grace period protects the object."""

    def __init__(self, objects: Path, directory: Path) -> None:
        self.directory = directory
        self._objects, self._kept = f"{objects}/", f"{directory}/"
        self._local = threading.local()
        directory.mkdir(parents=True, exist_ok=True)
        self._lock = contextlib.ExitStack()
        self._lock.enter_context(hold_lock(lock_of(directory)))

    def add(self, oid: Oid, *, kind: str = "", data: bytes | None = None) -> bool:
        """Link an object; False when it is gone and `data` was not given to write it again."""
        self._since_ref.add(oid)
        loose, kept = f"{self._objects}{oid[:2]}/{oid[2:]}", f"{self._kept}{oid[:2]}/{oid[2:]}"
        try:
            _link(loose, kept)
        except FileExistsError:
            _restore_one(loose, kept)
        except FileNotFoundError:  # in a pack, or gone
            if data is None:
                return False
            with contextlib.suppress(OSError):
                _write(kept, zlib.compress(b"%s %d\0" % (kind.encode(), len(data)) + data, 1))
        except OSError:  # no links here, too many of them, a full disk
            with contextlib.suppress(OSError):
                _write(kept, Path(loose).read_bytes())
        return True

    def restore_for_ref(self) -> None:
        """Restore what this thread wrote since it moved a ref last, so that the next ref can be moved to it."""
        for oid in self._since_ref:
            loose = f"{self._objects}{oid[:2]}/{oid[2:]}"
            if not os.path.exists(loose):  # noqa: PTH110 - a step asks hundreds of times
                _restore_one(loose, f"{self._kept}{oid[:2]}/{oid[2:]}")
        self._since_ref.clear()

    def end(self, *, is_complete: bool) -> None:
        """Restore everything, and remove the links unless a gc still runs that may take some of it."""
        try:
            restore(Path(self._objects), self.directory)
            if is_complete:
                remove_tree(self.directory)
                lock_of(self.directory).unlink(missing_ok=True)
        finally:
            self._lock.close()

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables with which our git calls find kept objects that a gc removed."""
        directory = str(self.directory)
        quoted = '"' + directory.replace("\\", "\\\\").replace('"', '\\"') + '"'
        return {"GIT_ALTERNATE_OBJECT_DIRECTORIES": quoted if {":", '"'} & set(directory) else directory}

    @property
    def _since_ref(self) -> set[Oid]:
        found: set[Oid] | None = getattr(self._local, "since_ref", None)
        if found is None:
            found = self._local.since_ref = set()
        return found


def restore(objects: Path, directory: Path) -> int:
    """Link back every kept object that git no longer has; return how many."""
    names = (path.relative_to(directory).as_posix() for path in directory.glob("??/*") if not path.name.startswith("."))
    gone = [name for name in names if not (objects / name).exists()]
    if not gone:
        return 0
    fresh = pygit2.Odb(str(objects))  # one that has read today's packs
    lost = [name for name in gone if name.replace("/", "") not in fresh]
    for name in lost:
        _restore_one(str(objects / name), str(directory / name))
    return len(lost)


def lock_of(directory: Path) -> Path:
    """The lock of the process that owns this directory of links."""
    return directory.with_suffix(".lock")


def _link(loose: str, kept: str) -> None:
    """Link without Path, which costs more than the link."""
    try:
        os.link(loose, kept)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(kept), exist_ok=True)  # noqa: PTH103, PTH120
        os.link(loose, kept)


def _restore_one(loose: str, kept: str) -> None:
    for _ in range(20):  # gc removes the directory once it is empty
        with contextlib.suppress(FileNotFoundError, FileExistsError):  # also while mkdir looks at what it met
            Path(loose).parent.mkdir(exist_ok=True)
            try:
                os.link(kept, loose)
            except FileExistsError:
                return
            except OSError as exc:
                if isinstance(exc, FileNotFoundError):
                    raise
                _write(loose, Path(kept).read_bytes())
            return


def _write(path: str, packed: bytes) -> None:
    """Write a loose object whole or not at all."""
    Path(path).parent.mkdir(exist_ok=True)
    handle, scratch = tempfile.mkstemp(dir=Path(path).parent, prefix=".kept-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(packed)
        Path(scratch).chmod(0o444)
        Path(scratch).replace(path)
    except OSError:
        Path(scratch).unlink(missing_ok=True)
        raise
