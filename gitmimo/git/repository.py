"""A repository: reading commits, trees and blobs from it, writing objects into it, and who its user is."""

import contextlib
import functools
import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Unpack

import pygit2

from gitmimo.errors import NoCommits, RepoError
from gitmimo.files import FileLock
from gitmimo.git.discovery import RepositoryPaths, find_repository
from gitmimo.git.run import GitFailed, GitOptions, GitResult, check_git_version, check_outside_name, run_git
from gitmimo.ids import Oid

TREE = 0o040000
FILE = 0o100644
EXECUTABLE = 0o100755
LINK = 0o120000
GITLINK = 0o160000
# characters that HFS+ leaves out of names
_IGNORED_BY_HFS = frozenset(map(chr, [*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF]))
_GIT_DIR_NAMES = (".git", "git~1", "git~2", "git~3", "git~4")  # NTFS gives the short names in turn


class Entry(NamedTuple):
    """One path of a tree with git's mode and object id; a gitlink's object is in another repository.

    Undecodable bytes of a path are surrogates, as everywhere in Python's file names.
    """

    path: str
    mode: int
    oid: Oid


def parse_tree(data: bytes, prefix: str = "") -> dict[str, Entry]:
    """Read one tree object: its own entries by name, with paths that begin with `prefix`."""
    found: dict[str, Entry] = {}
    at = 0
    while at < len(data):
        space = data.index(b" ", at)
        end = data.index(b"\0", space)
        name = os.fsdecode(data[space + 1 : end])
        found[name] = Entry(prefix + name, int(data[at:space], 8), Oid(data[end + 1 : end + 21].hex()))
        at = end + 21
    return found


def format_tree(entries: Iterable[Entry]) -> bytes:
    """Write one tree object of its own entries, in git's order, in which a directory's name ends in a slash."""
    ordered = sorted(entries, key=lambda entry: os.fsencode(entry.path + "/" if entry.mode == TREE else entry.path))
    return b"".join(b"%o %s\0%s" % (entry.mode, os.fsencode(entry.path), bytes.fromhex(entry.oid)) for entry in ordered)


def is_git_dir_name(name: str) -> bool:
    """Whether some file system takes the name for `.git`: any case, trailing dots, short names, ignored characters."""
    plain = "".join(char for char in name if char not in _IGNORED_BY_HFS).lower()
    return plain.partition(":")[0].rstrip(" .") in _GIT_DIR_NAMES


_WRITE_TRIES = 20
_FULL_ID = re.compile(r"[0-9a-f]{40}\Z")

ContentCheck = Callable[[bytes, Callable[[], bytes]], str]
"""Says why a file's new content must not be stored, empty when it may be; gets it, and how to read the one before."""


class Ident(NamedTuple):
    """Name and address of an author."""

    name: str
    email: str


@dataclass(kw_only=True, eq=False)
class Repository(RepositoryPaths):
    """One repository seen from one checkout. Threads may share it: each gets its own libgit2 handle.

    `refs_via_git` says that libgit2 can't read the refs (reftable, partial clone): then git reads and moves them.
    """

    refs_via_git: bool = False
    content_check: ContentCheck | None = None  # asked about each new file of a snapshot
    _idents: dict[str, str] = field(default_factory=dict, repr=False)
    gc_marks: list[FileLock] = field(default_factory=list, repr=False)  # see `gc_lock`
    gc_lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _local: threading.local = field(default_factory=threading.local, repr=False)

    @classmethod
    def discover(cls, start: Path, *, environ: Mapping[str, str] | None = None) -> "Repository":
        """Find the repository that git itself would use in this directory, GIT_DIR and GIT_WORK_TREE included.

        RepoError where there is none, git is too old, or it refuses, for example on unsafe ownership.
        """
        check_git_version()
        paths = find_repository(start, environ=environ)
        return cls(**vars(paths), refs_via_git=not _opens_in_libgit2(paths.git_dir))

    @property
    def is_shallow(self) -> bool:
        return (self.common_dir / "shallow").exists()

    @functools.cached_property
    def has_bare_main(self) -> bool:
        """Whether the shared directory has no checkout of its own, though linked worktrees may exist."""
        # asked without a work tree, for which git would answer otherwise
        asked = run_git(["config", "--bool", "core.bare"], git_dir=self.common_dir, cwd=self.common_dir, check=False)
        return asked.text == "true"

    def run(self, *args: str | Path, **options: Unpack[GitOptions]) -> GitResult:
        """Run git on this repository, from its checkout where it has one; options are `run_git`'s."""
        place = GitOptions(cwd=self.work_tree or self.git_dir, git_dir=self.git_dir, work_tree=self.work_tree)
        return run_git(args, **(place | options))

    @property
    def pygit(self) -> pygit2.Repository:
        """This thread's libgit2 handle. Never use its index, checkout or status: those are the user's."""
        handle: pygit2.Repository | None = getattr(self._local, "handle", None)
        if handle is None:
            where = _make_object_view(self.common_dir, self.state_dir) if self.refs_via_git else self.git_dir
            try:
                handle = pygit2.Repository(str(where))
            except pygit2.GitError as exc:
                raise RepoError(f"libgit2 cannot open the repository: {exc}: `{where}`") from exc
            self._local.handle = handle
        return handle

    def resolve(self, rev: str) -> Oid:
        """Return the commit that a revision names. NoCommits when HEAD is unborn, RepoError when nothing answers."""
        check_outside_name(rev, what="revision")
        if _FULL_ID.match(rev):
            found = self.pygit.get(rev)
            if isinstance(found, pygit2.Commit):
                return Oid(rev)
        done = self.run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{rev}^{{commit}}", check=False)
        if done.exit_code == 0:
            return Oid(done.text)
        if self.run("rev-parse", "--verify", "--quiet", "HEAD", check=False).exit_code:
            raise NoCommits("the repository has no commit yet", hint='git add --all && git commit -m "first commit"')
        raise RepoError(f"not a commit: `{rev}`", hint="git fetch --unshallow" if self.is_shallow else "")

    def tree_of(self, rev: str) -> Oid:
        """Return the tree of a commit or of any revision; the id of a tree is returned as it is."""
        if _FULL_ID.match(rev):
            found = self.pygit.get(rev)
            if isinstance(found, pygit2.Commit):
                return Oid(str(found.tree_id))
            if isinstance(found, pygit2.Tree):
                return Oid(rev)
        check_outside_name(rev, what="revision")
        done = self.run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{rev}^{{tree}}", check=False)
        return Oid(done.text) if done.exit_code == 0 else self.tree_of(self.resolve(rev))

    def read_tree(self, tree: Oid, prefix: str = "") -> Mapping[str, Entry]:
        """Return a tree's own entries by name, their paths below `prefix`; git fetches what a partial clone lacks."""
        try:
            kind, data = self.pygit.read(tree)
        except KeyError:
            return parse_tree(self.run("cat-file", "tree", tree).stdout, prefix)
        if kind != pygit2.enums.ObjectType.TREE:
            raise RepoError(f"not a tree: `{tree}`")
        return parse_tree(data, prefix)

    def write_tree(self, entries: Iterable[Entry]) -> Oid:
        """Store a tree object. Names are the caller's to check: see `trees.check_tree_path`."""
        return self._write_object(pygit2.enums.ObjectType.TREE, format_tree(entries))

    def write_blob(self, data: bytes) -> Oid:
        """Store a blob object."""
        return self._write_object(pygit2.enums.ObjectType.BLOB, data)

    def write_commit(self, data: bytes) -> Oid:
        """Store a commit object of this text; see `commit.write_commit`."""
        return self._write_object(pygit2.enums.ObjectType.COMMIT, data)

    def _write_object(self, kind: pygit2.enums.ObjectType, data: bytes) -> Oid:
        """Store an object, again where a prune has just removed its directory as empty; RepoError else."""
        for attempt in range(_WRITE_TRIES):
            try:
                return Oid(str(self.pygit.write(kind, data)))
            except (pygit2.GitError, OSError, KeyError, ValueError) as exc:
                if attempt == _WRITE_TRIES - 1 or "No such file" not in str(exc):
                    raise RepoError(f"cannot write an object: {exc}") from exc
        raise AssertionError("not reached")

    def find_entry(self, rev: str, path: str) -> Entry | None:
        """Return what is at the path in the commit or tree: a file, link, gitlink or tree."""
        tree = self.tree_of(rev)
        *parents, name = path.split("/")
        for parent in parents:
            below = self.read_tree(tree).get(parent)
            if below is None or below.mode != TREE:
                return None
            tree = below.oid
        found = self.read_tree(tree).get(name)
        return None if found is None else Entry(path, found.mode, found.oid)

    def read_blob(self, rev: str, path: str) -> bytes | None:
        """Return a file's bytes, or a link's target, from a commit or tree; None when no such file is there."""
        entry = self.find_entry(rev, path)
        return None if entry is None or entry.mode in (TREE, GITLINK) else self.read_object(entry.oid)

    def read_object(self, oid: Oid) -> bytes:
        """Return a blob's bytes; git fetches what a partial clone lacks."""
        try:
            return self.pygit.read(oid)[1]
        except KeyError:
            return self.run("cat-file", "blob", oid).stdout

    def has_object(self, rev: str) -> bool:
        """Whether this clone holds the object."""
        return self.run("cat-file", "-e", rev, check=False).exit_code == 0

    def list_paths(self, rev: str) -> list[Entry]:
        """Return every file, link and gitlink of a commit or tree, in git's order.

        The last listings are kept: a session asks for its base's again and again, which in a large repository takes a
        second each time.
        """
        return list(_list_tree(self, self.tree_of(rev)))

    def head_branch(self) -> str | None:
        """Return the short name of the branch that is checked out, born or not; None on a detached HEAD."""
        done = self.run("symbolic-ref", "--quiet", "HEAD", check=False)
        return done.text.removeprefix("refs/heads/") if done.exit_code == 0 else None

    def author(self) -> Ident:
        """Return the user as author of commits. RepoError with the remedy when git knows no name."""
        name, _, rest = self.ident("author").partition(" <")
        return Ident(name, rest.rpartition("> ")[0])

    def ident(self, role: str) -> str:
        """The user as author or committer as a commit has it, at this moment unless the environment sets a date."""
        variable = f"GIT_{role.upper()}"
        if role not in self._idents:
            try:
                self._idents[role] = self.run("var", f"{variable}_IDENT", env=given_configuration()).text
            except GitFailed as exc:
                raise RepoError(
                    "git does not know who you are",
                    hint='git config --global user.name "Your Name" && git config --global user.email you@example.org',
                ) from exc
        known = self._idents[role]
        if f"{variable}_DATE" in os.environ:
            return known
        return f"{known.rpartition('> ')[0]}> {time.time():.0f} {time.strftime('%z')}"


@functools.lru_cache(maxsize=2)
def _list_tree(repository: Repository, tree: Oid) -> tuple[Entry, ...]:
    found = []
    waiting = [*repository.read_tree(tree).values()][::-1]
    while waiting:
        entry = waiting.pop()
        if entry.mode == TREE:
            waiting += [*repository.read_tree(entry.oid, f"{entry.path}/").values()][::-1]
        else:
            found.append(entry)
    return tuple(found)


def given_configuration() -> dict[str, str]:
    """The variables by which `git -c user.name=… mimo` hands on its switches: for who the user is, and nothing else."""
    return {name: value for name, value in os.environ.items() if name.startswith("GIT_CONFIG_")}


def _opens_in_libgit2(git_dir: Path) -> bool:
    """Whether libgit2 knows the repository's format: not with reftable, nor as a partial clone."""
    try:
        pygit2.Repository(str(git_dir))
    except pygit2.GitError:
        return False
    return True


def _make_object_view(common_dir: Path, state_dir: Path) -> Path:
    """Return a bare repository without refs whose object store is the real one; made where absent."""
    view = state_dir / "objects.git"
    if not (view / "HEAD").exists():
        (view / "refs").mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):  # another thread or process is at it
            (view / "objects").symlink_to(common_dir / "objects")
        (view / "config").write_text("[core]\n\trepositoryformatversion = 0\n\tbare = true\n")
        (view / "HEAD").write_text("ref: refs/heads/none\n")
    return view
