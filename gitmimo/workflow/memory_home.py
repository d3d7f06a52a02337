"""Where notes and skills live (with the code, on a ref of their own or a local one), and how a change gets there.

What is about to be written into the checkout stands in a file of ours first: what a kill left halfway is taken back
by the next command.
"""

import base64
import contextlib
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from gitmimo import mimo_dir
from gitmimo.codec import from_json
from gitmimo.config import Config
from gitmimo.errors import NeedsPerson, RepoError
from gitmimo.files import write_file
from gitmimo.git import commit, refs, trees, undo_log
from gitmimo.git.gc_lock import hold_off_gc
from gitmimo.git.merge import remove_lock
from gitmimo.git.refs import worktree_git_dir
from gitmimo.git.repository import Repository
from gitmimo.git.run import run_git
from gitmimo.git.trees import empty_tree
from gitmimo.locks import LockTimeout, hold_lock
from gitmimo.memory.notes import ATTRIBUTES, ATTRIBUTES_PATH, EMPTY, MEMORY_PATH
from gitmimo.records import Oid

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
_VERSION = 1
_LOCK = "remember.lock"
_LONGEST_WAIT_S = 10.0


def memory_view(repository: Repository, config: Config, head: Oid) -> Oid:
    """Return a commit that holds the memory as `.mimo/` and has `head`'s files and history: `head` where committed.

    With another home it is a commit of its own on top of `head`, which no ref names.
    """
    tip = _tip(repository, config)
    if tip is None:
        return head
    whole = mimo_dir.with_mimo_from(repository, repository.tree_of(head), repository.tree_of(tip))
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
        command = message.partition("\n")[0].removeprefix("mimo: ")
        undo_log.write_operation(repository, undo_log.new_operation_id(), command=command, moves=[move])
        undo_log.apply_move(repository, move, reason="mimo: memory")
    return made


def home_ref(config: Config) -> str | None:
    """The ref that the memory lives on; None if it is committed with the code."""
    return HOME_REFS.get(config.text("memory.home"))


def _tip(repository: Repository, config: Config) -> Oid | None:
    name = home_ref(config)
    return refs.read_ref(repository, name) if name else None


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Begun:
    """A commit that is being made: where, on what, since when, and its files before and after, in base64."""

    version: int
    checkout: str
    head: str
    since: float
    before: dict[str, str | None]
    after: dict[str, str | None]


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
    with _staged_files(repository, checkout, changes):
        run_git(["commit", "--quiet", "--only", "-m", message, "--", *paths], cwd=checkout, user_hooks=True)
    return repository.resolve("HEAD")


@contextlib.contextmanager
def _staged_files(repository: Repository, checkout: Path, changes: Mapping[str, bytes | None]) -> Iterator[None]:
    """Write files and stage them for the commit that is made in the block; when it fails they are as before.

    Call `repair_interrupted_commit` first: it takes back what a command that was killed in its block left.
    """
    with hold_lock(repository.state_dir / _LOCK, wait_s=_LONGEST_WAIT_S):
        begun = _Begun(
            version=_VERSION,
            checkout=str(checkout),
            head=_head(checkout),
            since=time.time(),
            before={path: _encoded(_read(checkout / path)) for path in changes},
            after={path: _encoded(data) for path, data in changes.items()},
        )
        _begin(repository, begun)
        try:
            for path, data in changes.items():
                _write(checkout / path, data)
            run_git(["add", "--all", "--force", "--", *sorted(changes)], cwd=checkout)
            yield
        except (RepoError, OSError) as exc:
            _repair(repository)
            if isinstance(exc, RepoError):
                raise
            raise RepoError(f"cannot write below `.mimo/`: {exc.strerror}: `{exc.filename}`") from exc
        _file(repository).unlink(missing_ok=True)


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


def _repair(repository: Repository) -> None:
    try:
        begun = from_json(_Begun, json.loads(_file(repository).read_text()))
    except FileNotFoundError:
        return
    except (ValueError, TypeError, KeyError):
        _file(repository).unlink(missing_ok=True)  # cut off while it was written: nothing else had begun
        return
    checkout = Path(begun.checkout)
    home = worktree_git_dir(checkout)
    if home is not None:
        branch = run_git(["symbolic-ref", "--quiet", "--short", "HEAD"], cwd=checkout, check=False).text
        locks = [home / "index.lock", home / "HEAD.lock", *home.glob("next-index-*.lock")]
        for lock in (*locks, *([repository.common_dir / f"refs/heads/{branch}.lock"] if branch else [])):
            remove_lock(lock, begun.since, checkout=checkout)
        if _head(checkout) == begun.head:
            _take_back(checkout, begun)
    _file(repository).unlink(missing_ok=True)


def _take_back(checkout: Path, begun: _Begun) -> None:
    before = {path: _decoded(text) for path, text in begun.before.items()}
    for path, text in begun.after.items():
        found, after = _read(checkout / path), _decoded(text)
        if found not in (before[path], after, None) and not (after or b"").startswith(found or b""):
            raise NeedsPerson(
                f"a commit was cut off and this file changed since: `{path}`", hint=f"git status -- {path}"
            )
    for path, data in before.items():
        if _read(checkout / path) != data:
            _write(checkout / path, data)
    run_git(["reset", "--quiet", "--", *sorted(before)], cwd=checkout)
    for path in before:
        for parent in (checkout / path).parents:
            if parent == checkout:
                break
            with contextlib.suppress(OSError):  # only those that are empty
                parent.rmdir()


def _begin(repository: Repository, begun: _Begun) -> None:
    """Write it down, whole and on disk, before anything of the user's is touched."""
    place = _file(repository)
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        write_file(place, json.dumps(asdict(begun)), synced=True)
    except OSError as exc:
        raise RepoError(f"cannot write `{place}`: {exc.strerror}") from exc


def _head(checkout: Path) -> str:
    return run_git(["rev-parse", "HEAD"], cwd=checkout).text


def _file(repository: Repository) -> Path:
    return repository.state_dir / "remembering.json"


def _encoded(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode()


def _decoded(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text)


def _read(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _write(path: Path, data: bytes | None) -> None:
    if data is None:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
