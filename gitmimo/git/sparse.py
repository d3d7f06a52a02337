"""Sparse checkouts: a worktree holds what the user's checkout holds, and what it leaves out counts as unchanged."""

from pathlib import Path

from gitmimo.git.binary import run_git
from gitmimo.git.repository import Repository


def absent_paths(repository: Repository, index: Path) -> frozenset[str]:
    """Name the tracked paths that the checkout with this index left out; none unless it is sparse."""
    if not (index.parent / "info" / "sparse-checkout").is_file():
        return frozenset()
    listed = run_git(
        ["-c", "core.sparseCheckout=false", "ls-files", "-z", "-t"],  # else what lies in another checkout has a say
        cwd=repository.common_dir,
        git_dir=repository.common_dir,
        index=index,
    )
    return frozenset(
        line[2:] for line in listed.stdout.decode("utf-8", "surrogateescape").split("\0") if line[:2] == "S "
    )
