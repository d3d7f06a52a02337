"""Write a directory's files as a tree object, whatever an agent did there.

Git compares the directory with a private index, and stores what differs. The agent's own ignore rules, attributes,
`.git` and index don't count: rules are those of the base and the user, filters those that the base's attributes name.
Nested repositories come in as plain files, without their `.git`.
"""

import functools
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gitmimo.errors import RepoError
from gitmimo.files import write_file
from gitmimo.git.repository import TREE, Repository, is_git_dir_name
from gitmimo.git.rules import read_tree_rules
from gitmimo.git.run import GitResult, run_git
from gitmimo.git.trees import edit_tree
from gitmimo.git.worktree import find_admin_directory
from gitmimo.ids import Oid

# None of the user's index settings may change what is seen, or write beside the index
_INDEX_SWITCHES = tuple(
    word
    for setting in (
        "core.splitIndex=false",
        "core.untrackedCache=false",
        "core.ignoreStat=false",
        "core.trustctime=true",
        "core.checkStat=default",
        "index.sparse=false",
        "core.sparseCheckout=true",  # git looks whether a file is there that a sparse checkout left out
    )
    for word in ("-c", setting)
)
_LARGEST_CHECKED = 10 << 20  # bytes; what is larger fails a product's gate and is not given to the content check
_TREES: dict[Path, tuple[tuple[int, int, int], Oid]] = {}  # of each private index as it was last seen
_UNREADABLE = re.compile(r"could not open directory '(.*?)(?:/?': .*)?$", re.MULTILINE)  # git cuts long messages


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A directory written as a tree, and the files that the tree lacks or has in another version.

    `left_out` names what can't be read or what git refuses to store, such as `.GIT`. `refused` says by path why the
    repository's content check kept a file out: it is in the tree as in the base, or not at all.
    """

    tree: Oid
    left_out: tuple[str, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)


def take_snapshot(repository: Repository, directory: Path, *, base: Oid, index: Path) -> Snapshot:
    """Write the directory's files as a tree. Files that are in `base` are never ignored.

    `index` is a path of the caller's for the private index and its neighbours: the same for one directory and base each
    time, which makes the second call cheap, and never for two threads at once. RepoError when the directory is gone.
    """
    if not directory.is_dir():
        raise RepoError(f"the directory is gone: `{directory}`")
    try:
        run = _Run(repository, directory, index, base)
        if not index.exists():
            run.load()
        return run.take()
    except OSError as exc:
        raise RepoError(f"cannot read the candidate's files: {exc}") from exc


def adopt_checkout(repository: Repository, directory: Path, *, base: Oid, index: Path) -> None:
    """Begin snapshots of a worktree that git has just made, with a copy of git's own index of it.

    Must come before anybody can work there. Without it every file is read once.
    """
    index.parent.mkdir(parents=True, exist_ok=True)
    admin = find_admin_directory(repository.common_dir, directory)
    if admin is not None:
        shutil.copy2(admin / "index", index)  # with its time, which git needs to find racy entries
    _Run(repository, directory, index, base).load()


def snapshot_once(repository: Repository, directory: Path, *, base: Oid) -> Snapshot:
    """Write the directory's files as a tree; every file is read. Fails as `take_snapshot`."""
    with tempfile.TemporaryDirectory(prefix="mimo-index-") as scratch:
        return take_snapshot(repository, directory, base=base, index=Path(scratch) / "index")


def forget_snapshots(index: Path) -> None:
    """Remove the private index of a directory that is gone."""
    for path in (index, _rules_path(index)):
        path.unlink(missing_ok=True)


class _Run:
    """One snapshot."""

    def __init__(self, repository: Repository, directory: Path, index: Path, base: Oid) -> None:
        self.repository = repository
        self.directory = directory
        self.index = index
        self.base = repository.tree_of(base)
        self.rules = read_tree_rules(repository, self.base)
        self.left_out: list[str] = []
        self.refused: dict[str, str] = {}

    def load(self) -> None:
        """Load the base into the index, keeping the stat data of unchanged files, and store its rules.

        What a sparse checkout left out is marked so. Only that is taken from the worktree's own index, which an agent
        may have written.
        """
        write_file(_rules_path(self.index), self.rules.ignore)
        is_new = not self.index.exists()
        self._git("read-tree", *([] if is_new else ["--reset"]), self.base)
        home = find_admin_directory(self.repository.common_dir, self.directory)
        if home is None and self.directory == self.repository.work_tree:
            home = self.repository.git_dir
        if is_new and home is not None and (home / "info/sparse-checkout").is_file():
            listed = self._git("ls-files", "-z", "-t", index=home / "index").stdout.split(b"\0")
            tracked = {os.fsencode(entry.path) for entry in self.repository.list_paths(self.base)}
            names = b"".join(line[2:] + b"\0" for line in listed if line[:2] == b"S " and line[2:] in tracked)
            self._git("update-index", "-z", "--skip-worktree", "--stdin", input=names)
        self._git("update-index", "-q", "--refresh", check=False)  # exit code 1: some file differs

    def take(self) -> Snapshot:
        listed = self._git("ls-files", "-z", "-t", "-m", "-d", "-o", f"--exclude-from={_rules_path(self.index)}")
        self.left_out += _UNREADABLE.findall(listed.stderr)
        gone, present = self._sort_paths(listed.stdout)
        stored = [path for path in present if self._may_store(path)]
        if stored:
            self._store(stored)
        directories = {path[:at] for path in stored for at, char in enumerate(path) if char == "/"}
        changes: dict[str, tuple[Oid, int] | None] = {path: None for path in gone if path not in directories}
        for path in self.refused:
            found = self.repository.find_entry(self.base, path)
            changes[path] = (found.oid, found.mode) if found is not None and found.mode != TREE else None
        tree = edit_tree(self.repository, self._index_tree(), changes)
        return Snapshot(tree=tree, left_out=tuple(dict.fromkeys(self.left_out)), refused=self.refused)

    def _index_tree(self) -> Oid:
        """The tree of the index, asked again once git has written another file in its place."""
        known = _TREES.get(self.index)
        if known is None or known[0] != _state_of(self.index):
            tree = Oid(self._git("write-tree").text)  # may write the index too
            known = _TREES[self.index] = (_state_of(self.index), tree)
        return known[1]

    def _git(self, *args: str, input: bytes = b"", check: bool = True, index: Path | None = None) -> GitResult:
        """Run git on the directory with the private index; the directory's own `.git` is never looked at."""
        return run_git(
            [*_INDEX_SWITCHES, *self.rules.filter_switches, *args],
            cwd=self.directory,
            git_dir=self.repository.common_dir,
            work_tree=self.directory,
            index=index or self.index,
            input=input,
            check=check,
        )

    def _sort_paths(self, listed: bytes) -> tuple[list[str], list[str]]:
        """Split the listing into removed paths and paths to read.

        Gitlinks stay as the base has them, unless their directory is gone.
        """
        gone: dict[str, None] = {}
        present: dict[str, None] = {}
        top = os.path.realpath(self.directory)

        @functools.cache
        def is_behind_link(directory: str) -> bool:  # git lists the file there, which isn't the one it tracks
            return os.path.realpath(f"{top}/{directory}") != f"{top}/{directory}".rstrip("/")

        for line in os.fsdecode(listed).split("\0"):
            tag, _, path = line.partition(" ")
            if not path:
                continue
            if path.endswith("/"):
                present |= dict.fromkeys(self._files_of_nested(path.rstrip("/")))
                continue
            is_directory = _is_directory(self.directory / path)
            is_replaced = is_directory and path not in self.rules.gitlinks
            if tag == "R" or is_replaced or is_behind_link(path.rpartition("/")[0]):
                gone[path] = None
            elif not is_directory:
                present[path] = None
        return list(gone), [path for path in present if path not in gone and self._is_allowed(path)]

    def _is_allowed(self, path: str) -> bool:
        """Whether git may store the path; if not, its shortest refused prefix is added to `left_out`."""
        parts = path.split("/")
        bad = next((at for at, part in enumerate(parts, 1) if is_git_dir_name(part)), 0)
        if bad:
            self.left_out.append("/".join(parts[:bad]))
        return not bad

    def _files_of_nested(self, path: str) -> Iterator[str]:
        """Yield the files of a repository inside the directory, its `.git` left out; links aren't followed."""
        waiting = [path]
        while waiting:
            top = waiting.pop()
            try:
                items = list(os.scandir(self.directory / top))
            except OSError:
                self.left_out.append(top)
                continue
            for item in items:
                name = f"{top}/{item.name}"
                if item.name == ".git":
                    continue
                if item.is_dir(follow_symlinks=False):
                    waiting.append(name)
                elif item.is_file(follow_symlinks=False) or item.is_symlink():
                    yield name

    def _may_store(self, path: str) -> bool:
        """Whether the file can be read and passes the content check; what isn't stored is named.

        A link or pipe that an agent puts there meanwhile is neither followed nor waited for.
        """
        file = self.directory / path
        try:
            mode = file.lstat().st_mode
            if not stat.S_ISREG(mode):
                return stat.S_ISLNK(mode)
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            with os.fdopen(os.open(file, flags), "rb") as opened:
                check = self.repository.content_check
                if check is None or os.fstat(opened.fileno()).st_size > _LARGEST_CHECKED:
                    return True
                why = check(opened.read(), lambda: self.repository.read_blob(self.base, path) or b"")
        except FileNotFoundError:
            return False
        except OSError:  # no access, or something else took its place
            self.left_out.append(path)
            return False
        if why:
            self.refused[path] = why
        return not why

    def _store(self, paths: list[str]) -> None:
        """Let git store files and add them to its index. Removed files stay there, so they are never ignored."""
        names = b"".join(os.fsencode(path) + b"\0" for path in paths)
        done = self._git("update-index", "-z", "--add", "--replace", "--remove", "--stdin", input=names)
        ignored = (line for line in done.stderr.splitlines() if line.startswith("Ignoring path "))
        self.left_out += [line.removeprefix("Ignoring path ") for line in ignored]


def _is_directory(path: Path) -> bool:
    """Whether it is one itself, and no link to one; a path too long to ask for is none."""
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except OSError:
        return False


def _state_of(index: Path) -> tuple[int, int, int]:
    """What tells one version of the file from another: git writes a new file each time."""
    found = index.stat()
    return found.st_ino, found.st_mtime_ns, found.st_size


def _rules_path(index: Path) -> Path:
    return index.with_name(f"{index.name}.rules")
