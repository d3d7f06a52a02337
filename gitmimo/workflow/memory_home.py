"""Where notes and skills live (with the code, on a ref of their own or a local one), and how a change gets there.

What is about to be written into the checkout stands in a file of ours first: what a kill left halfway is taken back
by the next command.
"""

import contextlib
import dataclasses
import json
import time
from collections.abc import Mapping
from pathlib import Path

from gitmimo.config import Config
from gitmimo.errors import NeedsPerson, RepoError
from gitmimo.files import LockTimeout, hold_lock, write_file
from gitmimo.git import commit, refs, trees, undo_log
from gitmimo.git.gc_lock import hold_off_gc
from gitmimo.git.merge import InterruptedMerge, recover_interrupted_merge
from gitmimo.git.repository import Repository
from gitmimo.git.run import run_git
from gitmimo.git.trees import empty_tree, with_mimo_from
from gitmimo.ids import Oid
from gitmimo.memory.notes import ATTRIBUTES, ATTRIBUTES_PATH, EMPTY, MEMORY_PATH

HOME_REFS = {"ref": "refs/mimo/memory", "local": "refs/mimo/local-memory"}
FILES = {
    ATTRIBUTES_PATH: ATTRIBUTES.decode(),
    ".mimo/config.yaml": """\
# Project defaults of git-mimo. `git mimo config list --show-origin` shows every option and its value.
# Commands here run only after `git mimo trust`.
#
# test: python -m pytest -q
# setup: npm ci
# accept: ["make lint"]
# protected: ["golden/**"]
""",
    MEMORY_PATH: EMPTY,
}
_LOCK = "remember.lock"
_LONGEST_WAIT_S = 10.0


def memory_view(repository: Repository, config: Config, head: Oid) -> Oid:
    """Return a commit that holds the memory as `.mimo/` and has `head`'s files and history: `head` where committed.

    With another home it is a commit of its own on top of `head`, which no ref names.
    """
    name = home_ref(config)
    tip = refs.read_ref(repository, name) if name else None
    if tip is None:
        return head
    whole = with_mimo_from(repository, repository.tree_of(head), repository.tree_of(tip))
    return commit.write_commit(repository, tree=whole, parents=(head,), message="mimo: memory\n")


def save_memory(
    repository: Repository, config: Config, changes: Mapping[str, bytes | None], message: str
) -> Oid | None:
    """Write a person's change of the memory where it lives; return the commit, None when there is nothing to change."""
    if not changes:
        return None
    if home_ref(config) is None:
        return commit_to_checkout(repository, changes, message)
    return write_home(repository, config, changes, message)


def write_home(repository: Repository, config: Config, changes: Mapping[str, bytes | None], message: str) -> Oid:
    """Commit a change on the memory's own ref, with an undo record."""
    name = home_ref(config) or HOME_REFS["ref"]
    tip = refs.read_ref(repository, name)
    with hold_off_gc(repository):
        before = repository.tree_of(tip) if tip else empty_tree(repository)
        whole = trees.write_files(repository, before, changes)
        made = commit.write_commit(repository, tree=whole, parents=(tip,) if tip else (), message=message)
        move = undo_log.RefMove(ref=name, old=tip, new=made)
        undo_log.move_recorded(repository, message.partition("\n")[0].removeprefix("mimo: "), [move])
    return made


def home_ref(config: Config) -> str | None:
    """The ref that the memory lives on; None if it is committed with the code."""
    return HOME_REFS.get(config.text("memory.home"))


def write_first_files(checkout: Path) -> list[str]:
    """Write the files of `.mimo/` that are missing; return their names. Symlinks on the way are refused."""
    directory = checkout / ".mimo"
    if directory.is_symlink():
        raise RepoError("`.mimo` is a symbolic link; it must be a directory of the repository")
    directory.mkdir(exist_ok=True)
    written = []
    for name, content in FILES.items():
        path = checkout / name
        if path.exists() or path.is_symlink():
            continue
        path.write_text(content)
        written.append(name)
    return written


def commit_to_checkout(repository: Repository, changes: Mapping[str, bytes | None], message: str) -> Oid:
    """Write files below `.mimo/` and commit just these, with the user's hooks and signing; what is staged stays so.

    NeedsPerson when one of them has changes of the user's. When the commit is refused, the files are as before.
    """
    checkout = repository.require_work_tree()
    paths = sorted(changes)
    outside = [path for path in paths if not path.startswith(".mimo/")]
    if outside:
        raise RepoError(f"not below `.mimo/`: `{outside[0]}`")
    repair_interrupted_commit(repository)
    _refuse_dirty(checkout, paths)
    with hold_lock(repository.state_dir / _LOCK, wait_s=_LONGEST_WAIT_S), hold_off_gc(repository):
        _begin(repository, checkout, changes)
        try:
            for path, data in changes.items():
                _write(checkout / path, data)
            run_git(["add", "--all", "--force", "--", *paths], cwd=checkout)
            run_git(["commit", "--quiet", "--only", "-m", message, "--", *paths], cwd=checkout, user_hooks=True)
        except (RepoError, OSError) as exc:
            _repair(repository)
            if isinstance(exc, RepoError):
                raise
            raise RepoError(f"cannot write below `.mimo/`: {exc.strerror}: `{exc.filename}`") from exc
        _file(repository).unlink(missing_ok=True)
    return repository.resolve("HEAD")


def repair_interrupted_commit(repository: Repository) -> None:
    """Take back what a command that was killed while it committed left in the user's checkout; usually nothing.

    NeedsPerson when one of its files has changed since.
    """
    if not _file(repository).exists():
        return
    with contextlib.suppress(LockTimeout), hold_lock(repository.state_dir / _LOCK, wait_s=0):
        _repair(repository)


def _refuse_dirty(checkout: Path, paths: list[str]) -> None:
    done = run_git(["status", "--porcelain", "-z", "--untracked-files=all", "--", *paths], cwd=checkout)
    changed = [field[3:] for field in done.text.split("\0") if field]
    if changed:
        raise NeedsPerson(
            f"`{changed[0]}` has changes that are not committed", hint=f"git commit -m '...' -- {changed[0]}"
        )
    for path in paths:
        for parent in (Path(path), *Path(path).parents):
            if (checkout / parent).is_symlink():
                raise RepoError(f"a symbolic link is in the way: `{parent}`")


def _begin(repository: Repository, checkout: Path, changes: Mapping[str, bytes | None]) -> None:
    """Write down what is about to happen, whole and on disk, before anything of the user's is touched."""
    head = repository.resolve("HEAD")
    begun = InterruptedMerge(
        checkout=checkout,
        branch=repository.head_branch() or "",
        old=head,
        theirs=head,
        merged=trees.write_files(repository, repository.tree_of(head), changes),
        since=time.time(),
    )
    place = _file(repository)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        write_file(place, json.dumps(dataclasses.asdict(begun), default=str), synced=True)
    except OSError as exc:
        raise RepoError(f"cannot write `{place}`: {exc.strerror}") from exc


def _repair(repository: Repository) -> None:
    """Bring the checkout back to the commit that it had before."""
    place = _file(repository)
    try:
        data = json.loads(place.read_text())
        begun = InterruptedMerge(**data | {"checkout": Path(data["checkout"])})
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        pass  # cut off while it was written: nothing else had begun
    else:
        recover_interrupted_merge(repository, begun)
    place.unlink(missing_ok=True)


def _file(repository: Repository) -> Path:
    return repository.state_dir / "remembering.json"


def _write(path: Path, data: bytes | None) -> None:
    if data is None:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
