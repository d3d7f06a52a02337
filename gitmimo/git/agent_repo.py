"""A throw-away repository for an agent: git works in its worktree, the real refs, config and hooks are out of reach.

Its objects come from a store with only what the base reaches: no other branch, no dangling object.
The store is one pack per base, made once; a later base gets hard links to an earlier one's packs and what is new.
"""

import contextlib
import json
import os
import shutil
from pathlib import Path

from gitmimo.errors import RepoError
from gitmimo.files import hold_lock, remove_tree, write_file
from gitmimo.git.repository import Repository
from gitmimo.git.rules import read_user_rules
from gitmimo.git.run import run_git
from gitmimo.ids import Oid

POINTER_NAME = "pointer"
_BRANCH = "work"
COMPLETE = "complete"  # beside the packs: the text of the `shallow` file
_PACK_SWITCHES = ("--revs", "--window=0", "--delta-base-offset", "--missing=allow-any", "-q")  # no search for deltas
_LARGE_BYTES = 1 << 30  # of packs; larger stores contain the latest history only
_LATEST = 500  # commits
_CONFIG = """\
[core]
    repositoryFormatVersion = 0
    bare = false
    worktree = {work_tree}
    logAllRefUpdates = true
[gc]
    auto = 0
[maintenance]
    auto = false
[user]
    name = {name}
    email = {email}
"""


def make_agent_repo(
    repository: Repository, directory: Path, commit: Oid, *, work_tree: Path, checked_out: Path | None = None
) -> Path:
    """Make a repository in `directory` whose only branch is at the commit and whose files are in `work_tree`.

    Objects are borrowed from `base_objects`, which a sandbox should show read-only; what the agent commits lands here.
    Returns the pointer file to bind, read-only, over the worktree's `.git`. Nothing here is trusted afterwards.

    `checked_out` is the index of the checkout of these files, so that the agent's first `git status` needn't read them.
    """
    objects = fill_base_objects(repository, commit)
    remove_tree(directory)
    for name in ("objects/info", "objects/pack", "refs/heads", "refs/tags", "info"):
        (directory / name).mkdir(parents=True)
    (directory / "config").write_text(_format_config(repository, work_tree))
    (directory / "HEAD").write_text(f"ref: refs/heads/{_BRANCH}\n")
    (directory / "refs/heads" / _BRANCH).write_text(f"{commit}\n")
    (directory / "objects/info/alternates").write_text(f"{objects}\n")
    (directory / "info/exclude").write_bytes(read_user_rules(repository).ignore)
    shallow = (objects / COMPLETE).read_text()
    if shallow:
        (directory / "shallow").write_text(shallow)
    if checked_out is not None and checked_out.is_file():
        shutil.copyfile(checked_out, directory / "index")
    run_git(["read-tree", "--reset", commit], git_dir=directory, work_tree=work_tree, cwd=work_tree)
    pointer = directory / POINTER_NAME
    pointer.write_text(f"gitdir: {directory}\n")
    return pointer


def base_objects(repository: Repository, base: Oid) -> Path:
    """Return the directory with what the base reaches, laid out as an object store; made empty where absent.

    It stays the same directory when it is filled, so that it can be shown to a sandbox before.
    """
    directory = stores_directory(repository) / base
    (directory / "pack").mkdir(parents=True, exist_ok=True)
    return directory


def stores_directory(repository: Repository) -> Path:
    """The directory of the stores of all bases, by commit id; each may be removed when no session uses it."""
    return repository.state_dir / "base-objects"


def fill_base_objects(repository: Repository, base: Oid) -> Path:
    """Fill the base's store unless it is complete, and return it. RepoError when the disk is full.

    Of a repository with more than a gigabyte of packs only the latest commits come in, as in a shallow clone.
    """
    directory = base_objects(repository, base)
    done = directory / COMPLETE
    if not done.exists():
        with hold_lock(stores_directory(repository) / ".lock", wait_s=600):
            if not done.exists():
                shallow = _shallow_commits(repository, base)
                try:
                    _write_packs(repository, base, directory / "pack", shallow)
                    write_file(done, "".join(f"{oid}\n" for oid in shallow), mode=0o644)
                except OSError as exc:
                    raise RepoError(f"cannot write the objects of a base: {exc.strerror}: `{directory}`") from exc
    with contextlib.suppress(OSError):
        os.utime(done)  # in use
    return directory


def _write_packs(repository: Repository, base: Oid, packs: Path, shallow: tuple[Oid, ...]) -> None:
    earlier = None if shallow else _find_earlier(repository, base)
    if earlier is not None:
        for path in sorted((earlier / "pack").iterdir(), key=lambda path: path.suffix == ".idx"):  # git looks for these
            _link(path, packs / path.name)
    lines = [base, *([f"^{earlier.name}"] if earlier is not None else ()), *(f"--shallow {oid}" for oid in shallow)]
    wanted = "".join(f"{line}\n" for line in reversed(lines)).encode()
    repository.run("pack-objects", *_PACK_SWITCHES, packs / "pack", input=wanted)


def _find_earlier(repository: Repository, base: Oid) -> Path | None:
    """Return the complete store of an ancestor, the latest one used; None without one."""
    found = [path.parent for path in stores_directory(repository).glob(f"*/{COMPLETE}") if not path.stat().st_size]
    for directory in sorted(found, key=lambda path: (path / COMPLETE).stat().st_mtime, reverse=True)[:5]:
        if not repository.run("merge-base", "--is-ancestor", directory.name, base, check=False).exit_code:
            return directory
    return None


def _link(path: Path, target: Path) -> None:
    target.unlink(missing_ok=True)  # of a call that was killed
    try:
        target.hardlink_to(path)
    except OSError:  # no links here
        shutil.copyfile(path, target)


def _shallow_commits(repository: Repository, base: Oid) -> tuple[Oid, ...]:
    """Return the commits whose parents stay out of the store."""
    if repository.is_shallow:
        return tuple(Oid(line) for line in (repository.common_dir / "shallow").read_text().split())
    if sum(path.stat().st_size for path in (repository.common_dir / "objects/pack").glob("*.pack")) < _LARGE_BYTES:
        return ()
    listed = repository.run("rev-list", "--parents", f"--max-count={_LATEST}", base).text.splitlines()
    parents = {line.split()[0]: line.split()[1:] for line in listed}
    return tuple(Oid(oid) for oid, above in parents.items() if any(parent not in parents for parent in above))


def _format_config(repository: Repository, work_tree: Path) -> str:
    ident = repository.author()
    values = {"work_tree": str(work_tree), "name": ident.name, "email": ident.email}
    return _CONFIG.format(**{key: json.dumps(value, ensure_ascii=False) for key, value in values.items()})
