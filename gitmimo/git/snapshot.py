"""Write a directory's files as a tree object, whatever an agent did there.

Git compares the directory with a private index, and stores what differs. The agent's own ignore rules, attributes,
`.git` and index don't count: rules are those of the parent commit and the user, filters those that the parent's
attributes name. Nested repositories come in as plain files, without their `.git`.
"""

import functools
import json
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from gitmimo.codec import from_json
from gitmimo.errors import RepoError
from gitmimo.files import write_file
from gitmimo.git.repository import TREE, Repository, is_git_dir_name
from gitmimo.git.run import GitOptions, GitResult, run_git
from gitmimo.git.tree_rules import read_tree_rules
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
    )
    for word in ("-c", setting)
)
_STATE_VERSION = 3
_LARGEST_CHECKED = 64 << 20  # bytes; larger files are not given to the content check
_UNREADABLE = re.compile(r"could not open directory '(.*?)(?:/?': .*)?$", re.MULTILINE)  # git cuts long messages


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A directory written as a tree, and the files that the tree lacks or has in another version.

    `left_out` names what can't be read or what git refuses to store, such as `.GIT`. `refused` says by path why the
    repository's content check kept a file out: it is in the tree as in the parent, or not at all.
    """

    tree: Oid
    left_out: tuple[str, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """What the private index contains. Stored beside it, so that the next call can continue from there."""

    version: int
    tree: Oid
    parent: Oid | None  # the tree that the rules beside the index come from; None before the first snapshot
    filters: tuple[str, ...] = ()
    gitlinks: tuple[str, ...] = ()
    is_sparse: bool = False


def take_snapshot(repository: Repository, directory: Path, *, parent: Oid, index: Path) -> Snapshot:
    """Write the directory's files as a tree. Files that are in `parent` are never ignored.

    `index` is a path of the caller's for the private index and its neighbours: the same for one directory each time,
    which makes the second call cheap, and never for two threads at once. RepoError when the directory is gone.
    """
    if not directory.is_dir():
        raise RepoError(f"the directory is gone: `{directory}`")
    try:
        return _Run(repository, directory, index, parent).take()
    except OSError as exc:
        raise RepoError(f"cannot read the candidate's files: {exc}") from exc


def adopt_checkout(repository: Repository, directory: Path, *, tree: Oid, index: Path) -> None:
    """Begin snapshots of a worktree that git has just made, at `tree`, with a copy of git's own index of it.

    Must come before anybody can work there. Without it every file is read once, and what a sparse checkout left out
    counts as removed.
    """
    admin = find_admin_directory(repository.common_dir, directory)
    if admin is None or not (admin / "index").is_file():
        return
    index.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(admin / "index", index)  # with its time, which git needs to find racy entries
    state = _State(version=_STATE_VERSION, tree=tree, parent=None, is_sparse=_is_sparse(admin))
    _write_state(index, state)


def snapshot_worktree(repository: Repository, directory: Path, *, parent: Oid) -> Oid:
    """Write the files of a worktree of ours as a tree, once; what a sparse checkout left out is as in `parent`.

    Every file is read: the worktree's own index may have been written by an agent.
    """
    with tempfile.TemporaryDirectory(prefix="mimo-index-") as scratch:
        index = Path(scratch) / "index"
        admin = find_admin_directory(repository.common_dir, directory)
        if admin is not None and _is_sparse(admin):
            tree = repository.tree_of(parent)
            _load_sparse(repository, directory, index, tree, admin / "index")
            _write_state(index, _State(version=_STATE_VERSION, tree=tree, parent=None, is_sparse=True))
        return take_snapshot(repository, directory, parent=parent, index=index).tree


def forget_snapshots(index: Path) -> None:
    """Remove the private index of a directory that is gone."""
    for path in (index, _state_path(index), _rules_path(index)):
        path.unlink(missing_ok=True)


class _Run:
    """One snapshot."""

    def __init__(self, repository: Repository, directory: Path, index: Path, parent: Oid) -> None:
        self.repository = repository
        self.directory = directory
        self.index = index
        self.parent = repository.tree_of(parent)
        self.left_out: list[str] = []
        self.refused: dict[str, str] = {}
        self.state = _read_state(index) or _reset_state(index, self.parent)

    def take(self) -> Snapshot:
        if self.state.parent != self.parent:
            self._prepare()
        listed = self._git("ls-files", "-z", "-t", "-m", "-d", "-o", f"--exclude-from={_rules_path(self.index)}")
        self.left_out += _UNREADABLE.findall(listed.stderr)
        gone, present = self._sort_paths(listed.stdout)
        stored = [path for path in present if self._may_store(path)]
        if stored:
            self._store(stored)
        directories = {path[:at] for path in stored for at, char in enumerate(path) if char == "/"}
        changes: dict[str, tuple[Oid, int] | None] = {path: None for path in gone if path not in directories}
        for path in self.refused:
            found = self.repository.find_entry(self.parent, path)
            changes[path] = (found.oid, found.mode) if found is not None and found.mode != TREE else None
        tree = edit_tree(self.repository, self.state.tree, changes)
        return Snapshot(tree=tree, left_out=tuple(dict.fromkeys(self.left_out)), refused=self.refused)

    def _git(self, *args: str, input: bytes = b"", check: bool = True) -> GitResult:
        """Run git on the directory with the private index; the directory's own `.git` is never looked at."""
        sparse = "true" if self.state.is_sparse else "false"  # then git looks whether a file is there that was left out
        switches = self.repository.user_rules.filter_switches(frozenset(self.state.filters))
        return run_git(
            [*_INDEX_SWITCHES, "-c", f"core.sparseCheckout={sparse}", *switches, *args],
            cwd=self.directory,
            git_dir=self.repository.common_dir,
            work_tree=self.directory,
            index=self.index,
            input=input,
            check=check,
        )

    def _prepare(self) -> None:
        """Load the parent into the index, keeping the stat data of unchanged files, and store its rules."""
        self.index.parent.mkdir(parents=True, exist_ok=True)
        _state_path(self.index).unlink(missing_ok=True)
        rules = read_tree_rules(self.repository, self.parent)
        write_file(_rules_path(self.index), rules.ignore)
        is_loaded = self.index.exists() and self.state.tree == self.parent
        self.state = replace(
            self.state,
            tree=self.parent,
            parent=self.parent,
            filters=tuple(sorted(rules.filters)),
            gitlinks=tuple(sorted(rules.gitlinks)),
        )
        if not is_loaded:
            self._git("read-tree", *(["--reset"] if self.index.exists() else []), self.parent)
        self._git("update-index", "-q", "--refresh", check=False)  # exit code 1: some file differs
        _write_state(self.index, self.state)

    def _sort_paths(self, listed: bytes) -> tuple[list[str], list[str]]:
        """Split the listing into removed paths and paths to read.

        Gitlinks stay as the parent has them, unless their directory is gone.
        """
        gone: dict[str, None] = {}
        present: dict[str, None] = {}
        gitlinks = frozenset(self.state.gitlinks)
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
            if tag == "R" or is_behind_link(path.rpartition("/")[0]) or (is_directory and path not in gitlinks):
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
                why = check(opened.read(), lambda: self.repository.read_blob(self.parent, path) or b"")
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
        _state_path(self.index).unlink()  # until the tree is written, nothing is known of the index
        names = b"".join(os.fsencode(path) + b"\0" for path in paths)
        done = self._git("update-index", "-z", "--add", "--replace", "--remove", "--stdin", input=names)
        ignored = (line for line in done.stderr.splitlines() if line.startswith("Ignoring path "))
        self.left_out += [line.removeprefix("Ignoring path ") for line in ignored]
        self.state = replace(self.state, tree=Oid(self._git("write-tree").text))
        _write_state(self.index, self.state)


def _load_sparse(repository: Repository, directory: Path, index: Path, tree: Oid, checked_out: Path) -> None:
    """Load a tree into the private index, with the marks of what a sparse checkout left out."""
    switches = [*_INDEX_SWITCHES, "-c", "core.sparseCheckout=false"]  # else another checkout's patterns apply
    place = GitOptions(cwd=directory, git_dir=repository.common_dir, index=index)
    run_git([*switches, "read-tree", tree], **place)
    listed = run_git([*switches, "ls-files", "-z", "-t"], **(place | GitOptions(index=checked_out))).stdout.split(b"\0")
    tracked = {os.fsencode(entry.path) for entry in repository.list_paths(tree)}
    names = b"".join(line[2:] + b"\0" for line in listed if line[:2] == b"S " and line[2:] in tracked)
    run_git([*switches, "update-index", "-z", "--skip-worktree", "--stdin"], **(place | GitOptions(input=names)))


def _is_directory(path: Path) -> bool:
    """Whether it is one itself, and no link to one; a path too long to ask for is none."""
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except OSError:
        return False


def _is_sparse(admin: Path) -> bool:
    return (admin / "info" / "sparse-checkout").is_file()


def _read_state(index: Path) -> _State | None:
    """Return what the index contains; None when that is unknown and it must be rebuilt."""
    try:
        stored = json.loads(_state_path(index).read_bytes())
        if not index.exists() or stored.get("version") != _STATE_VERSION:
            return None
        state = from_json(_State, stored)
    except (FileNotFoundError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return state if state.parent is None or _rules_path(index).exists() else None


def _reset_state(index: Path, tree: Oid) -> _State:
    """Remove what a killed call may have left."""
    for path in (index, index.with_name(f"{index.name}.lock")):
        path.unlink(missing_ok=True)
    return _State(version=_STATE_VERSION, tree=tree, parent=None)


def _write_state(index: Path, state: _State) -> None:
    write_file(_state_path(index), json.dumps(asdict(state)))


def _state_path(index: Path) -> Path:
    return index.with_name(f"{index.name}.state")


def _rules_path(index: Path) -> Path:
    return index.with_name(f"{index.name}.rules")
