"""Read and move refs: always by compare-and-swap, never a branch that is checked out elsewhere."""

import os
import re
import time
from pathlib import Path

import pygit2

from gitmimo.errors import RefMoved, RepoError
from gitmimo.git.repository import Repository
from gitmimo.git.run import GitFailed
from gitmimo.ids import Oid, branch_ref, is_own_ref, short_name
from gitmimo.processes import has_open

_ZERO = Oid("0" * 40)
_STALE_AFTER_S = 3.0


def check_branch_prefix(repository: Repository, prefix: str) -> None:
    """RepoError when branches can't be made under the prefix: it is no valid name, or a branch has that name."""
    if prefix.startswith("-") or not pygit2.reference_is_valid_name(f"refs/heads/{prefix}/x"):
        raise RepoError(f"not a usable branch prefix: `{prefix}`", hint="git config mimo.branchPrefix mimo")
    parts = prefix.split("/")
    for depth in range(1, len(parts) + 1):
        name = "/".join(parts[:depth])
        if read_ref(repository, f"refs/heads/{name}") is not None:
            raise RepoError(
                f"the branch `{name}` blocks branches named `{prefix}/…`",
                hint=f"git branch -m {name} {name}-old, or git config mimo.branchPrefix other-prefix",
            )


def read_ref(repository: Repository, name: str) -> Oid | None:
    """Return what the ref points at, symbolic refs followed; None when absent."""
    if repository.refs_via_git:
        done = repository.run("rev-parse", "--verify", "--quiet", "--end-of-options", _checked(name), check=False)
        return Oid(done.text) if done.exit_code == 0 else None
    try:
        return Oid(str(repository.pygit.references[_checked(name)].resolve().target))
    except KeyError:
        return None
    except (pygit2.GitError, ValueError) as exc:
        raise RepoError(f"cannot read the ref `{name}`: {exc}") from exc


def list_refs(repository: Repository, prefix: str) -> dict[str, Oid]:
    """Return the refs under a prefix such as `refs/mimo/base/`, by full name."""
    done = repository.run("for-each-ref", "--format=%(objectname) %(refname)", _checked(prefix.rstrip("/")))
    pairs = (line.partition(" ") for line in done.text.splitlines())
    return {name: Oid(oid) for oid, _, name in pairs if name.startswith(prefix)}


def update_ref(
    repository: Repository,
    name: str,
    new: Oid,
    *,
    expected: Oid | None,
    reason: str,
    worktree: Path | None = None,
) -> None:
    """Move or create a ref if it still points to `expected` (None: is absent); the reason goes to its reflog.

    RefMoved when somebody was faster. Refuses a branch that is checked out, except in `worktree`, whose files and
    index are then the caller's to bring along.
    """
    _check_checkout(repository, name, worktree)
    _move(repository, name, new, expected=expected, reason=reason)


def delete_ref(repository: Repository, name: str, *, expected: Oid, reason: str) -> None:
    """Delete a ref if it still points to `expected`; its reflog goes too. Refuses and fails as `update_ref`."""
    _check_checkout(repository, name, None)
    _move(repository, name, None, expected=expected, reason=reason)


def checked_out_branches(repository: Repository) -> dict[str, Path]:
    """Return the branches in use by a worktree, also by a rebase or bisect in it, with that worktree's git directory.

    Reads the worktrees' HEAD files, which costs no process. A bare repository's own HEAD is no checkout.
    """
    homes = [] if repository.has_bare_main else [repository.common_dir]
    found: dict[str, Path] = {}
    for home in [*homes, *admin_directories(repository.common_dir)]:
        for name in ("HEAD", "rebase-merge/head-name", "rebase-apply/head-name", "BISECT_START"):
            text = read_state(home / name).strip().removeprefix("ref: ")
            ref = branch_ref(text) if name == "BISECT_START" else text
            if text and ref.startswith("refs/heads/"):
                found.setdefault(ref, home)
    return found


def admin_directories(common_dir: Path) -> list[Path]:
    """Return git's administrative directories of all linked worktrees, whole or not."""
    listed = common_dir / "worktrees"
    return sorted(path for path in listed.iterdir() if path.is_dir()) if listed.is_dir() else []


def read_state(path: Path) -> str:
    """Read one of git's small files; empty where it is absent or can't be read."""
    try:
        return path.read_text(errors="surrogateescape")
    except OSError:
        return ""


def worktree_git_dir(path: Path) -> Path | None:
    """Return the git directory that a worktree's `.git` file or directory refers to; None without one."""
    pointer = path / ".git"
    if pointer.is_dir():
        return pointer
    text = read_state(pointer)
    return (path / text.removeprefix("gitdir: ").rstrip("\n")) if text.startswith("gitdir: ") else None


def _check_checkout(repository: Repository, name: str, worktree: Path | None) -> None:
    if not _checked(name).startswith("refs/heads/"):
        return
    home = checked_out_branches(repository).get(name)
    if home is None:
        return
    ours = worktree_git_dir(worktree) if worktree is not None else None
    if ours is not None and os.path.realpath(ours) == os.path.realpath(home):
        return
    where = home.parent if home == repository.common_dir else Path(read_state(home / "gitdir").rstrip("\n")).parent
    raise RepoError(
        f"the branch `{short_name(name)}` is checked out in `{where}`",
        hint=f"git mimo merge, or switch that checkout to another branch: git -C '{where}' switch --detach",
    )


def _checked(name: str) -> str:
    if not name.startswith("refs/") or not pygit2.reference_is_valid_name(name):
        raise RepoError(f"not a usable ref name: `{name}`")
    return name


def _move(repository: Repository, name: str, new: Oid | None, *, expected: Oid | None, reason: str) -> None:
    """Let git move, make or delete: it knows every ref format and the ways in which names collide."""
    found = None if repository.refs_via_git else repository.pygit.references.get(name)
    if found is not None and not isinstance(found.raw_target, pygit2.Oid):
        raise RepoError(f"not moved, since it is a symbolic ref: `{name}`")
    command = ["-c", "core.filesRefLockTimeout=1000", "update-ref", "--no-deref", "-m", reason]
    command += ["-d", name, expected or _ZERO] if new is None else [name, new, expected or _ZERO]
    done = repository.run(*command, check=False)
    if done.exit_code and ".lock': File exists" in done.stderr and clear_stale_lock(repository, name):
        done = repository.run(*command, check=False)
    if not done.exit_code:
        return
    failed = GitFailed(command, exit_code=done.exit_code, stderr=done.stderr)
    if read_ref(repository, name) != expected:
        raise RefMoved(name, expected=expected) from failed
    if blocking := re.search(r"'(refs/[^']+)' exists; cannot create", done.stderr):
        old = short_name(blocking[1])
        hint = f"git branch -m {old} {old}-old, or git config mimo.branchPrefix other-prefix"
        raise RepoError(f"`{old}` blocks `{short_name(name)}`", hint=hint) from failed
    lock = re.search(r"Unable to create '([^']+\.lock)': File exists", done.stderr)
    hint = f"if no git command is running: rm '{lock[1]}'" if lock and Path(lock[1]).exists() else ""
    raise RepoError(f"cannot move `{name}`: {failed.message}", hint=hint) from failed


def clear_stale_lock(repository: Repository, name: str) -> bool:
    """Remove the lock that a killed process left on a ref of ours; returns whether the ref is free of it.

    A ref of ours moves in milliseconds: a lock that stays the same for seconds and that nobody has open is stale.
    Locks on the user's own refs are not removed.
    """
    lock = repository.common_dir / f"{name}.lock"
    if not is_own_ref(name):
        return not lock.exists()
    try:
        first = lock.stat()
        time.sleep(max(0.0, first.st_mtime + _STALE_AFTER_S - time.time()))
        now = lock.stat()
        if (now.st_ino, now.st_mtime_ns) == (first.st_ino, first.st_mtime_ns) and not has_open(lock):
            lock.unlink()
    except FileNotFoundError:
        return True
    return not lock.exists()
