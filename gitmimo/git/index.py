"""A directory's files as a tree, by git and an index of our own that nobody else sees: exact, three processes a call.

Serves where content is converted on its way into git (filters, line ends, encodings). Rules are those of `snapshot`.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from gitmimo.codec import from_json
from gitmimo.git.binary import GitResult, run_git
from gitmimo.git.edit import entries_apart, hold_written, is_git_dir_name
from gitmimo.git.objects import EXECUTABLE, FILE
from gitmimo.git.repository import Repository
from gitmimo.git.tree_rules import product_key, read_tree_rules
from gitmimo.records import Oid

# Nothing of the user's index settings may change what is seen, or write beside the index
INDEX_SWITCHES = tuple(
    word
    for setting in (
        "core.sparseCheckout=false",
        "core.splitIndex=false",
        "core.untrackedCache=false",
        "core.ignoreStat=false",
        "core.trustctime=true",
        "core.checkStat=default",
        "index.sparse=false",
    )
    for word in ("-c", setting)
)
_SPARSE = ("-c", "core.sparseCheckout=true")  # then git looks whether a file is there that was left out
_STATE_VERSION = 1
_LARGEST_CLEANED = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """What the index stands for, so that a next call can go on from it. Lies beside the index."""

    version: int
    tree: Oid  # what the index holds
    key: str  # the parent that its rules come from
    filters: tuple[str, ...]
    gitlinks: tuple[str, ...]
    left_out: tuple[str, ...] = ()


def snapshot_by_index(
    repository: Repository, directory: Path, *, parent: Oid, index: Path, absent: frozenset[str] = frozenset()
) -> tuple[Oid, tuple[str, ...]]:
    """Return the tree and the names left out; the same `index` makes the next call of the same directory cheap.

    Paths that are `absent`, since a sparse checkout left them out, are as in `parent` unless there is a file now.
    """
    key = product_key(repository, parent)
    state = _read_state(index)
    if state is None or state.key != key:
        state = _prepare(repository, directory, parent, index, key, absent=absent, fresh=state is None)
    call = _Caller(repository, directory, index, frozenset(state.filters), is_sparse=bool(absent))
    listed = call.git("ls-files", "-z", "-t", "-m", "-d", "-o", f"--exclude-from={_rules_path(index)}").stdout
    gone, present = _paths_to_update(directory, listed, frozenset(state.gitlinks))
    if not gone and not present:
        return state.tree, state.left_out
    _state_path(index).unlink()  # until the tree is written, nothing is known of the index
    if gone:
        call.git("update-index", "-z", "--force-remove", "--stdin", input=b"\0".join(gone) + b"\0")
    cleaned = _clean_files(repository, directory, present, before=state.tree)
    plain = [path for path in present if path not in cleaned]
    said = call.git("update-index", "-z", "--add", "--replace", "--stdin", input=b"\0".join(plain) + b"\0").stderr
    if cleaned:
        call.git("update-index", "-z", "--add", "--replace", "--index-info", input=b"".join(cleaned.values()))
    tree = Oid(call.git("write-tree").text)
    hold_written(repository, tree, state.tree)
    left_out = tuple(line.removeprefix("Ignoring path ") for line in said.splitlines() if line.startswith("Ignoring"))
    _go_on(repository, index, state, tree, left_out)
    return tree, left_out


def _clean_files(repository: Repository, directory: Path, paths: list[bytes], *, before: Oid) -> dict[bytes, bytes]:
    """Lines for the index of those files that may not be stored as they lie there, by path."""
    found: dict[bytes, bytes] = {}
    for path in paths:
        place, name = directory / os.fsdecode(path), os.fsdecode(path)
        if place.is_symlink() or not place.is_file() or place.stat().st_size > _LARGEST_CLEANED:
            continue
        entry = repository.find_entry(before, name)
        data = place.read_bytes()
        clean = repository.clean_file(data, entry.oid if entry and entry.mode in (FILE, EXECUTABLE) else None)
        if clean != data:
            mode = EXECUTABLE if os.access(place, os.X_OK) else FILE
            found[path] = b"%06o %s\t%s\0" % (mode, repository.write_blob(clean).encode(), path)
    return found


@dataclass(frozen=True, slots=True)
class _Caller:
    """Runs git on the directory with the private index; the directory's own `.git` is never looked at."""

    repository: Repository
    directory: Path
    index: Path
    filters: frozenset[str]
    is_sparse: bool = False

    def git(self, *args: str, input: bytes | None = None, check: bool = True) -> GitResult:
        return run_git(
            [
                *INDEX_SWITCHES,
                *(_SPARSE if self.is_sparse else ()),
                *self.repository.user_rules.filter_switches(self.filters),
                *args,
            ],
            cwd=self.directory,
            git_dir=self.repository.common_dir,
            work_tree=self.directory,
            index=self.index,
            input=input,
            env=self.repository.hold_environment,
            check=check,
        )


def _prepare(
    repository: Repository, directory: Path, parent: Oid, index: Path, key: str, *, absent: frozenset[str], fresh: bool
) -> _State:
    """Load the parent into the index, keeping what is known of unchanged files, and write down its rules."""
    index.parent.mkdir(parents=True, exist_ok=True)
    _state_path(index).unlink(missing_ok=True)
    if fresh:
        index.unlink(missing_ok=True)
    rules = read_tree_rules(repository, parent)
    _rules_path(index).write_bytes(rules.ignore)
    call = _Caller(repository, directory, index, rules.filters)
    tree = repository.tree_of(parent)
    call.git("read-tree", tree) if fresh else call.git("read-tree", "--reset", tree)
    if absent:
        tracked = {entry.path for entry in repository.list_paths(tree)}
        left_out = b"".join(os.fsencode(path) + b"\0" for path in sorted(absent & tracked))
        call.git("update-index", "-z", "--skip-worktree", "--stdin", input=left_out)
    call.git("update-index", "-q", "--refresh", check=False)  # exit code 1: some file differs
    state = _State(
        version=_STATE_VERSION, tree=tree, key=key, filters=tuple(sorted(rules.filters)), gitlinks=tuple(rules.gitlinks)
    )
    _write_state(index, state)
    return state


def _paths_to_update(directory: Path, listed: bytes, gitlinks: frozenset[str]) -> tuple[list[bytes], list[bytes]]:
    """Turn the listing into paths that are gone and paths to read.

    Gitlinks stay as the parent has them, unless their directory is gone.
    """
    gone: dict[bytes, None] = {}
    present: dict[bytes, None] = {}
    for line in listed.split(b"\0"):
        tag, _, path = line.partition(b" ")
        if not path:
            continue
        if path.endswith(b"/"):
            present |= dict.fromkeys(_files_of_nested(directory, path))
            continue
        place = directory / os.fsdecode(path)
        is_directory = place.is_dir() and not place.is_symlink()
        if tag == b"R" or _is_beyond_link(directory, place) or (is_directory and os.fsdecode(path) not in gitlinks):
            gone[path] = None
        elif not is_directory:
            present[path] = None
    return list(gone), [path for path in present if path not in gone]


def _is_beyond_link(directory: Path, place: Path) -> bool:
    """Whether a parent became a link: git then sees the file behind it, which isn't the one it tracks."""
    return any(
        parent.is_symlink() for parent in place.parents if parent != directory and parent.is_relative_to(directory)
    )


def _files_of_nested(directory: Path, path: bytes) -> Iterator[bytes]:
    """Yield the files of a repository inside the directory, its `.git` left out; links aren't followed."""
    waiting = [directory / os.fsdecode(path.rstrip(b"/"))]
    while waiting:
        for item in os.scandir(waiting.pop()):
            if is_git_dir_name(item.name):
                continue
            if item.is_dir(follow_symlinks=False):
                waiting.append(Path(item.path))
            elif item.is_file(follow_symlinks=False) or item.is_symlink():
                yield os.fsencode(Path(item.path).relative_to(directory))


def _go_on(repository: Repository, index: Path, state: _State, tree: Oid, left_out: tuple[str, ...]) -> None:
    """Record the index's new content. The rules hold for a parent with this tree, unless a source of them changed."""
    changed = {entry.path for entry in entries_apart(repository, state.tree, tree)}
    changed |= {entry.path for entry in entries_apart(repository, tree, state.tree)}
    sources = {".gitignore", ".gitattributes"}
    same_rules = not any(path.rpartition("/")[2] in sources or path in state.gitlinks for path in changed)
    key = product_key(repository, tree) if same_rules else state.key
    _write_state(index, replace(state, tree=tree, key=key, left_out=left_out))


def _read_state(index: Path) -> _State | None:
    """Return what the index stands for; None when that isn't known and it has to be made anew."""
    try:
        held = json.loads(_state_path(index).read_bytes())
        if not index.exists() or not _rules_path(index).exists() or held.get("version") != _STATE_VERSION:
            return None
        return from_json(_State, held)
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return None


def _write_state(index: Path, state: _State) -> None:
    scratch = index.with_name(f"{index.name}.state.new")
    scratch.write_text(json.dumps(asdict(state)))
    scratch.replace(_state_path(index))


def _state_path(index: Path) -> Path:
    return index.with_name(f"{index.name}.state")


def _rules_path(index: Path) -> Path:
    return index.with_name(f"{index.name}.ignore")
