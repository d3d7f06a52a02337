"""Find a repository and its directories by asking git, so that commands that read no object need no libgit2."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gitmimo.errors import RepoError
from gitmimo.git.run import GitOptions, GitResult, check_git_version, run_git

# Honoured once, on entry: they say which repository the user means
_ENTRY_NAMES = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_COMMON_DIR",
    "GIT_CEILING_DIRECTORIES",
    "GIT_DISCOVERY_ACROSS_FILESYSTEM",
)


@dataclass(kw_only=True, eq=False)
class RepositoryPaths:
    """The directories of a repository.

    `git_dir` is the checkout's own directory, `common_dir` the one that all worktrees share, `work_tree` the checkout.
    """

    git_dir: Path
    common_dir: Path
    work_tree: Path | None
    is_bare: bool = False

    @property
    def state_dir(self) -> Path:
        """The directory of git-mimo's state, which may be deleted; not created here."""
        return self.common_dir / "mimo"

    def require_work_tree(self) -> Path:
        """Return the checkout; RepoError when there is none."""
        if self.work_tree is not None:
            return self.work_tree
        if self.is_bare:
            raise RepoError(
                f"the repository has no checkout: `{self.common_dir}`", hint="run it in a clone or a worktree"
            )
        raise RepoError(f"not inside a checkout but in its git directory: `{self.git_dir}`", hint="cd ..")


def find_repository(start: Path, *, environ: Mapping[str, str] | None = None) -> RepositoryPaths:
    """Find the repository that git itself would use in this directory, GIT_DIR and GIT_WORK_TREE included.

    RepoError where there is none, or with git's own words, for example on unsafe ownership. Only where git does not
    understand the question its version is asked for.
    """
    source = os.environ if environ is None else environ
    entry = {name: source[name] for name in _ENTRY_NAMES if name in source}

    def ask(*flags: str) -> GitResult:
        # with nothing of git's turned off, for which its version would be asked: `rev-parse` runs nobody's programs
        options = GitOptions(cwd=start, env={**entry, "LC_ALL": "C"}, check=False, user_hooks=True)
        return run_git(["rev-parse", "--path-format=absolute", *flags], **options)

    # without a work tree the last question fails when the others are answered
    facts = ask("--is-bare-repository", "--show-object-format", "--git-dir", "--git-common-dir", "--show-toplevel")
    if "not a git repository" in facts.stderr and facts.exit_code:
        raise RepoError(f"not a git repository: `{start}`", hint="git init")
    if not facts.stdout:
        check_git_version()
        reason = facts.stderr.strip().removeprefix("fatal: ")
        raise RepoError(reason or f"git cannot read the repository: `{start}`")
    is_bare, object_format, *paths = facts.text.split("\n")
    if object_format != "sha1":
        raise RepoError(
            f"the repository names objects by {object_format}, which git-mimo cannot read",
            hint="use a clone that was made with --object-format=sha1",
        )
    if len(paths) != (2 if facts.exit_code else 3):  # a line feed in a name
        paths = [ask(flag).text for flag in ("--git-dir", "--git-common-dir", "--show-toplevel")]
    return RepositoryPaths(
        git_dir=Path(paths[0]),
        common_dir=Path(paths[1]),
        work_tree=None if facts.exit_code else Path(paths[2]),
        is_bare=is_bare == "true",
    )
