"""One pass over a directory's files, without a process: what differs from what is tracked."""

import hashlib
import os
import stat
import time
from collections.abc import Iterator, Set
from dataclasses import dataclass, field
from pathlib import Path

from gitmimo.git.edit import MIMO_DIR, change_paths, is_git_dir_name
from gitmimo.git.ignore import IgnoreRules
from gitmimo.git.objects import EXECUTABLE, FILE, GITLINK, LINK
from gitmimo.git.repository import Repository
from gitmimo.git.stat_data import Written, is_settled
from gitmimo.git.tree_rules import SOURCES, product_key
from gitmimo.git.watch import Watch
from gitmimo.records import Oid

_STREAMED_BYTES = 64 << 20  # larger files are read by git
_FIRST_OF_GIT_NAMES = frozenset(".gG")
_Signature = tuple[int, int, int, int, int]
_Held = tuple[int, Oid]  # mode and object


@dataclass(frozen=True, slots=True)
class _Listing:
    """A directory as the last walk found it: all names, the files that count, the directories to go into."""

    names: list[str]
    files: list[str]
    directories: list[str]
    ignored: list[tuple[str, bool]]  # and whether it is a directory


class NeedsGit(Exception):
    """A file is converted on its way into git."""


@dataclass(slots=True)
class Known:
    """What earlier calls for the same directory learnt; may vanish, then everything is read again."""

    key: str  # the parent that the rules come from
    next_key: str  # the same for the tree that was written last, as long as its rules are the same
    rules: IgnoreRules
    product: Oid  # the tree that was written last without `.mimo/`, at first the parent's
    tracked: dict[str, _Held]  # its files
    converts_line_ends: bool
    files: dict[str, tuple[_Signature, _Held]] = field(default_factory=dict)
    listings: dict[str, _Listing] = field(default_factory=dict)
    written: dict[str, Written] = field(default_factory=dict)  # by git's checkout, and not looked at yet
    watch: Watch | None = None  # in a large checkout
    gone: set[str] = field(default_factory=set)  # files of the parent that are not tracked any more, never ignored


class Walk:
    """One pass over the directory: what differs from what is tracked."""

    def __init__(
        self, repository: Repository, directory: Path, parent: Oid, known: Known, *, absent: frozenset[str]
    ) -> None:
        self.repository = repository
        self.top = os.fspath(directory)
        self.parent = parent
        self.known = known
        self.absent = absent
        self.changed: dict[str, _Held | None] = {}
        self.left_out: list[str] = []
        self._seen: set[str] = set()
        self._directories = {""}
        self._assumed: set[str] = known.watch.assumed if known.watch else set()
        self._started_ns = time.time_ns()

    def write(self) -> Oid:
        """Walk, write the blobs that are new and the trees, and remember them for the next call."""
        watch = self.known.watch
        if watch is None:
            self._visit_all("")
        else:
            self._seen |= self._assumed
            with watch.look(self.repository, Path(self.top)) as answer:
                self._visit_all("")
                self._doubt(answer.result())
        self._visit_unseen()
        bare = self.known.product
        wanted = {path: None if held is None else (held[1], held[0]) for path, held in self.changed.items()}
        tree = change_paths(self.repository, bare, wanted) if wanted else bare
        self._remember(tree)
        return tree

    def _doubt(self, differing: Set[str]) -> None:
        """Look again at files that were taken as unchanged, and into directories that stand in their place."""
        for path in differing & self._assumed:
            self._seen.discard(path)
            place = Path(self.top, path)
            if place.is_dir() and not place.is_symlink():
                parent = f"{path.rpartition('/')[0]}/" if "/" in path else ""
                self.known.listings.pop(parent, None)
                self._assumed.difference_update([other for other in self._assumed if other.startswith(parent)])
                self._visit_all(parent)

    def _visit_all(self, top: str) -> None:
        waiting = [top]
        while waiting:
            prefix = waiting.pop()
            try:
                waiting += self._visit_directory(prefix)
            except OSError as exc:  # no access, gone meanwhile, too deep a path
                if not prefix:
                    raise
                if not isinstance(exc, FileNotFoundError):
                    self.left_out.append(prefix)

    def _visit_directory(self, prefix: str) -> list[str]:
        """Visit a directory's files and return the directories to go into."""
        names = os.listdir(f"{self.top}/{prefix}")  # noqa: PTH208 - bare names, quickly
        known = self.known.listings.pop(prefix, None)
        if known is None or known.names != names or not self._visit_known(known):
            with os.scandir(f"{self.top}/{prefix}") as items:
                known = self._visit_anew(prefix, items)
        self.known.listings[prefix] = known
        return known.directories

    def _visit_known(self, known: _Listing) -> bool:
        """Visit a directory whose names are the same as before; False when what they stand for isn't.

        The loop that a large project feels.
        """
        top, tracked, files, seen = f"{self.top}/", self.known.tracked, self.known.files, self._seen
        assumed = self._assumed
        lstat = os.lstat
        try:
            for path in known.directories:
                if not stat.S_ISDIR(lstat(top + path[:-1]).st_mode):
                    return False
            for path, is_directory in known.ignored:
                if stat.S_ISDIR(lstat(top + path).st_mode) != is_directory:
                    return False
            for path in known.files:
                if path in assumed:
                    continue
                found = lstat(top + path)
                cached = files.get(path)
                if (
                    cached is not None
                    and cached[1] == tracked.get(path)
                    and cached[0] == (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_mode)
                ):
                    seen.add(path)
                elif stat.S_ISDIR(found.st_mode):
                    return False
                else:
                    self._visit(path, found)
        except FileNotFoundError:
            return False
        self._directories.update(path[:-1] for path in known.directories)
        return True

    def _visit_anew(self, prefix: str, items: Iterator[os.DirEntry[str]]) -> _Listing:
        listing = _Listing([], [], [], [])
        tracked, files, is_ignored = self.known.tracked, self.known.files, self.known.rules.is_ignored
        gone = self.known.gone
        has_names = True
        for item in items:
            listing.names.append(item.name)
            name = item.name
            path = prefix + name
            has_names &= path != MIMO_DIR and not path.startswith(f"{MIMO_DIR}/")  # the parent has a say there
            if (name[0] in _FIRST_OF_GIT_NAMES or not name.isascii()) and is_git_dir_name(name):
                if name != ".git":
                    self.left_out.append(path)
                    has_names = False  # to be told again
                continue
            held = tracked.get(path)
            if item.is_dir(follow_symlinks=False):
                if held is not None and held[0] == GITLINK:
                    self._seen.add(path)
                    has_names = False
                elif not is_ignored(path, is_directory=True) or self._is_known_memory(path):
                    self._directories.add(path)
                    listing.directories.append(f"{path}/")
                else:
                    listing.ignored.append((path, True))
                continue
            is_new = held is None and path not in gone
            if is_new and is_ignored(path, is_directory=False) and not self._is_known_memory(path):
                listing.ignored.append((path, False))
                continue
            listing.files.append(path)
            if path in self._assumed:
                continue
            found = item.stat(follow_symlinks=False)
            cached = files.get(path)
            if (
                cached is not None
                and cached[1] == held
                and cached[0] == (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_mode)
            ):
                self._seen.add(path)
            else:
                self._visit(path, found)
        if not has_names:
            listing.names.clear()
        return listing

    def _is_known_memory(self, path: str) -> bool:
        """Whether the parent holds this part of `.mimo/`, which isn't among what is tracked here."""
        return path.partition("/")[0] == MIMO_DIR and self.repository.find_entry(self.parent, path) is not None

    def _visit(self, path: str, found: os.stat_result) -> None:
        mode = found.st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISLNK(mode):
            return  # a pipe, a socket, a device: as git does
        signature = found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, mode
        cached = self.known.files.get(path)
        if cached is not None and cached[0] == signature:
            held: _Held | None = cached[1]
        else:
            held = self._as_written(path, signature) or self._read(path, signature)
        if held is None:
            return
        before = self.known.tracked.get(path)
        if before is not None:
            self._seen.add(path)
        if held != before:
            self.changed[path] = held

    def _as_written(self, path: str, signature: _Signature) -> _Held | None:
        """What git's checkout put there, if nobody touched the file since."""
        written = self.known.written.pop(path, None)
        if written is None or not written.is_still(*signature[:4], _git_mode(signature[4])):
            return None
        held = written.mode, written.oid
        self.known.files[path] = signature, held
        return held

    def _read(self, path: str, signature: _Signature) -> _Held | None:
        """Store a file as a blob unless git has it; None when it went away meanwhile."""
        modified, changed, size, _, mode = signature
        before = self.known.tracked.get(path)
        place = f"{self.top}/{path}"
        try:
            if stat.S_ISLNK(mode):
                kind, oid = LINK, self._store(os.readlink(os.fsencode(place)), before)  # noqa: PTH115 - keeps a//b
            elif size > _STREAMED_BYTES:
                kind = FILE
                oid = Oid(self.repository.run("hash-object", "-w", "--no-filters", "--", place).text)
                if self.repository.hold is not None:
                    self.repository.hold.add(oid)
            else:
                kind = FILE
                oid = self._store(_read_file(place), before, is_text=True)
        except FileNotFoundError:
            return None
        except OSError:  # no access, or something else took its place
            self.left_out.append(path)
            return None
        held = (_git_mode(mode) if kind == FILE else kind, oid)
        if is_settled(modified, changed, at_ns=self._started_ns):  # otherwise it may change again without showing it
            self.known.files[path] = (signature, held)
        else:
            self.known.files.pop(path, None)
        return held

    def _store(self, data: bytes, before: _Held | None, *, is_text: bool = False) -> Oid:
        oid = Oid(hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest())
        if before is not None and before[1] == oid:
            return oid
        if is_text and self.known.converts_line_ends and b"\r\n" in data:
            raise NeedsGit
        return self.repository.write_blob(self.repository.clean_file(data, before[1] if before else None))

    def _visit_unseen(self) -> None:
        """Find tracked files below ignored directories; whatever else wasn't seen is gone."""
        blocked = self._blocked()
        for path in self._unseen():
            if path in self.absent and not path.startswith(blocked):
                continue
            found = None
            if self._is_below_directories(path):
                try:
                    found = os.lstat(f"{self.top}/{path}")
                except OSError:
                    found = None
            if found is not None and _is_gitlink(self.known.tracked.get(path)) and stat.S_ISDIR(found.st_mode):
                continue
            if found is not None:
                self._visit(path, found)
            if path not in self._seen and path in self.known.tracked:
                self.changed.setdefault(path, None)

    def _unseen(self) -> set[str]:
        """Files that must be there and didn't show: gone, or below an ignored directory."""
        return (self.known.tracked.keys() - self._seen) | (self.known.gone - self.changed.keys())

    def _blocked(self) -> tuple[str, ...]:
        """The directories that a sparse checkout left out and in whose place there is a file now."""
        if not self.absent or not self.changed:
            return ()
        left_out = {path[:at] for path in self.absent for at, letter in enumerate(path) if letter == "/"}
        return tuple(f"{path}/" for path, held in self.changed.items() if held is not None and path in left_out)

    def _is_below_directories(self, path: str) -> bool:
        """Whether each parent is a directory and not a link to one."""
        parents: Iterator[str] = (path[:at] for at, letter in enumerate(path) if letter == "/")
        for parent in parents:
            if parent in self._directories:
                continue
            place = Path(self.top, parent)
            if not place.is_dir() or place.is_symlink():
                return False
            self._directories.add(parent)
        return True

    def _remember(self, tree: Oid) -> None:
        known = self.known
        has_other_rules = any(path.rpartition("/")[2] in SOURCES for path in self.changed)
        has_other_links = any(_is_gitlink(known.tracked.get(path)) for path in self.changed)
        for path, held in self.changed.items():
            if path.startswith(f"{MIMO_DIR}/"):
                continue
            if held is None:
                known.tracked.pop(path, None)
                known.files.pop(path, None)
                known.gone.add(path)
            else:
                known.tracked[path] = held
                known.gone.discard(path)
        self._assumed.difference_update(self.changed)
        key = product_key(self.repository, tree)
        known.product = Oid(key.partition(" ")[0])
        known.next_key = "" if has_other_rules or not known.next_key else key
        if has_other_links:  # a submodule's directory counts as the parent has it: begin with that again
            known.key = known.next_key = ""


def _read_file(place: str) -> bytes:
    """Read a regular file; where an agent put something else in its place meanwhile, don't follow and don't wait."""
    with os.fdopen(os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as handle:
        return handle.read()


def _git_mode(mode: int) -> int:
    if stat.S_ISLNK(mode):
        return LINK
    return EXECUTABLE if mode & stat.S_IXUSR else FILE


def _is_gitlink(held: _Held | None) -> bool:
    return held is not None and held[0] == GITLINK
