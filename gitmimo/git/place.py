"""Where a repository and its parts lie: asked of git alone, so that a command that reads no object loads no libgit2."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gitmimo.errors import BareRepository, NotARepository, RepoError
from gitmimo.git.binary import GitResult, check_git_version, run_git

# Honoured once, on entry: they say which repository the user means
_ENTRY_NAMES = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_COMMON_DIR",
    "GIT_CEILING_DIRECTORIES",
    "GIT_DISCOVERY_ACROSS_FILESYSTEM",
)


class Parts(Protocol):
    """What a place and an opened repository have in common."""

    @property
    def git_dir(self) -> Path: ...
    @property
    def common_dir(self) -> Path: ...
    @property
    def work_tree(self) -> Path | None: ...
    @property
    def is_bare(self) -> bool: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One checkout's own directory, the one that all worktrees share, and the checkout, if any."""

    git_dir: Path
    common_dir: Path
    work_tree: Path | None
    is_bare: bool

    @property
    def state_dir(self) -> Path:
        """Where git-mimo keeps what may vanish; not made here."""
        return state_dir_of(self.common_dir)


def find_place(start: Path, *, environ: Mapping[str, str] | None = None) -> Place:
    """Find the repository that git itself would use in this directory, GIT_DIR and GIT_WORK_TREE included.

    NotARepository, GitTooOld, or RepoError with git's own words, for example on unsafe ownership.
    """
    check_git_version()
    source = os.environ if environ is None else environ
    entry = {name: source[name] for name in _ENTRY_NAMES if name in source}

    def ask(*flags: str) -> GitResult:
        return run_git(["rev-parse", "--path-format=absolute", *flags], cwd=start, env=entry, check=False)

    facts = ask("--is-bare-repository", "--show-object-format", "--git-dir", "--git-common-dir")
    if facts.exit_code:
        _refuse(start, facts)
    is_bare, object_format, *paths = facts.text.split("\n")
    if object_format != "sha1":
        raise RepoError(
            f"the repository names objects by {object_format}, which git-mimo cannot read",
            hint="use a clone that was made with --object-format=sha1",
        )
    if len(paths) != 2:  # a line feed in a name
        paths = [ask("--git-dir").text, ask("--git-common-dir").text]
    top = ask("--show-toplevel")
    return Place(
        git_dir=Path(paths[0]),
        common_dir=Path(paths[1]),
        work_tree=None if top.exit_code else Path(top.text),
        is_bare=is_bare == "true",
    )


def require_work_tree(parts: Parts) -> Path:
    """Return the checkout; BareRepository when there is none."""
    if parts.work_tree is not None:
        return parts.work_tree
    if parts.is_bare:
        raise BareRepository(
            f"the repository has no checkout: `{parts.common_dir}`", hint="run it in a clone or a worktree"
        )
    raise BareRepository(f"not inside a checkout but in its git directory: `{parts.git_dir}`", hint="cd ..")


def state_dir_of(common_dir: Path) -> Path:
    """Where git-mimo keeps what may vanish; not made here."""
    return common_dir / "mimo"


def _refuse(start: Path, facts: GitResult) -> None:
    said = facts.stderr.strip()
    if "not a git repository" in said:
        raise NotARepository(f"not a git repository: `{start}`", hint="git init")
    raise RepoError(said.removeprefix("fatal: ") or f"git cannot read the repository: `{start}`")
