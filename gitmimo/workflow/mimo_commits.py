"""Changes to `.mimo/` that a person asked for, committed on the checked-out branch, and nothing else with them.

What is about to be written stands in a file of ours first: what a kill left halfway is taken back by the next command.
"""

import base64
import contextlib
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from gitmimo.codec import from_json
from gitmimo.errors import NeedsPerson, RepoError
from gitmimo.files import write_file
from gitmimo.git.merge import remove_lock
from gitmimo.git.refs import worktree_git_dir
from gitmimo.git.repository import Repository
from gitmimo.git.run import run_git
from gitmimo.locks import LockTimeout, hold_lock
from gitmimo.records import Oid

_VERSION = 1
_LOCK = "remember.lock"
_LONGEST_WAIT_S = 10.0


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
