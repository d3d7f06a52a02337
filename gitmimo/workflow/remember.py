"""Changes to `.mimo/` that a person asked for, committed on the checked-out branch, and nothing else with them."""

from collections.abc import Mapping
from pathlib import Path

from gitmimo.errors import NeedsPerson, RepoError
from gitmimo.git.binary import run_git
from gitmimo.git.repository import Repository
from gitmimo.records import Oid


def commit_to_checkout(repository: Repository, changes: Mapping[str, bytes | None], message: str) -> Oid:
    """Write files below `.mimo/` and commit just these, with the user's hooks and signing; what is staged stays so.

    NeedsPerson when one of them has changes of the user's. When the commit is refused, the files are as before.
    """
    checkout = repository.require_work_tree()
    paths = sorted(changes)
    outside = [path for path in paths if not path.startswith(".mimo/")]
    if outside:
        raise RepoError(f"not below `.mimo/`: `{outside[0]}`")
    _refuse_dirty(checkout, paths)
    before = {path: _read(checkout / path) for path in paths}
    try:
        for path, data in changes.items():
            _write(checkout / path, data)
        run_git(["add", "--all", "--force", "--", *paths], cwd=checkout)
        run_git(["commit", "--quiet", "--only", "-m", message, "--", *paths], cwd=checkout, user_hooks=True)
    except (RepoError, OSError):
        for path, data in before.items():
            _write(checkout / path, data)
        run_git(["reset", "--quiet", "--", *paths], cwd=checkout, check=False)
        raise
    return repository.resolve("HEAD")


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


def _read(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _write(path: Path, data: bytes | None) -> None:
    if data is None:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
