"""Second names for objects that no ref holds yet, out of the reach of `git gc`.

`git prune` removes whatever it did not find reachable when it began, also what has got a ref since then. Each object
that we write gets a second name (a hard link) in a directory of ours, laid out as an object store: our own reads find
it there, and it is put back under its first name before a ref is moved to it and when the hold ends.
"""

import contextlib
import os
import tempfile
import threading
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path

import pygit2

from gitmimo.records import Oid

_RECENT = 200  # of one thread: more than a step writes


class Hold:
    """One directory of second names. Safe for threads. A failing link is no failure: then git's own grace is left."""

    def __init__(self, objects: Path, directory: Path) -> None:
        self.directory = directory
        self._objects, self._prefix = f"{objects}/", f"{directory}/"
        self._local = threading.local()
        directory.mkdir(parents=True, exist_ok=True)

    def add(self, oid: Oid, *, kind: str = "", data: bytes | None = None) -> bool:
        """Give an object its second name; False when it is gone and `data` was not given to write it again."""
        self._recent.append(oid)
        try:
            self._link(oid)
        except FileExistsError:
            self._put_back(oid)
        except FileNotFoundError:  # in a pack, or gone
            if data is None:
                return False
            with contextlib.suppress(OSError):
                self._write(self._held_at(oid), kind, data)
        except OSError:  # no links here, too many of them, a full disk
            with contextlib.suppress(OSError):
                self._write(self._held_at(oid), "", Path(self._loose(oid)).read_bytes())
        return True

    def put_back_recent(self) -> None:
        """Put back what this thread wrote last, so that a ref can be moved to it."""
        for oid in dict.fromkeys(self._recent):
            if not self._is_loose(oid):
                self._put_back(oid)

    def put_back(self) -> int:
        """Put back every object that git no longer has; return how many."""
        gone = [oid for oid in self._held() if not self._is_loose(oid)]
        if not gone:
            return 0
        fresh = pygit2.Odb(str(self._objects))  # one that has read today's packs
        lost = [oid for oid in gone if oid not in fresh]
        for oid in lost:
            self._put_back(oid)
        return len(lost)

    def _link(self, oid: Oid) -> None:
        loose, held = self._loose(oid), f"{self._prefix}{oid[:2]}/{oid[2:]}"
        try:
            os.link(loose, held)
        except FileNotFoundError:
            os.makedirs(f"{self._prefix}{oid[:2]}", exist_ok=True)  # noqa: PTH103
            os.link(loose, held)

    def _loose(self, oid: Oid) -> str:
        """No Path, which costs more than the link: a step asks hundreds of times."""
        return f"{self._objects}{oid[:2]}/{oid[2:]}"

    def _held_at(self, oid: Oid) -> Path:
        return self.directory / oid[:2] / oid[2:]

    def _is_loose(self, oid: Oid) -> bool:
        return os.path.exists(self._loose(oid))  # noqa: PTH110

    @property
    def _recent(self) -> deque[Oid]:
        found: deque[Oid] | None = getattr(self._local, "recent", None)
        if found is None:
            found = self._local.recent = deque(maxlen=_RECENT)
        return found

    def _held(self) -> Iterator[Oid]:
        for directory in self._entries(self.directory):
            if len(directory.name) == 2 and directory.is_dir():
                yield from (Oid(directory.name + item.name) for item in self._entries(directory.path))

    def _entries(self, directory: Path | str) -> Iterable[os.DirEntry[str]]:
        try:
            with os.scandir(directory) as items:
                return [item for item in items if not item.name.startswith(".")]
        except FileNotFoundError:
            return []

    def _put_back(self, oid: Oid) -> None:
        loose, held = Path(self._loose(oid)), self._held_at(oid)
        for _ in range(20):  # gc removes the directory once it is empty
            with contextlib.suppress(FileNotFoundError, FileExistsError):  # also while mkdir looks at what it met
                loose.parent.mkdir(exist_ok=True)
                try:
                    os.link(held, loose)
                except FileExistsError:
                    return
                except OSError as exc:
                    if isinstance(exc, FileNotFoundError):
                        raise
                    self._write(loose, "", held.read_bytes())
                return

    def _write(self, place: Path, kind: str, data: bytes) -> None:
        """Write a file whole or not at all: a loose object of this kind, or these very bytes when none is given."""
        packed = zlib.compress(b"%s %d\0" % (kind.encode(), len(data)) + data, 1) if kind else data
        handle, scratch = tempfile.mkstemp(dir=place.parent, prefix=".held-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(packed)
            Path(scratch).chmod(0o444)
            Path(scratch).replace(place)
        except OSError:
            Path(scratch).unlink(missing_ok=True)
            raise
