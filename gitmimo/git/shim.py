"""What libgit2 opens where it can't open the repository itself: a bare one beside it that shares the objects."""

import contextlib
from pathlib import Path

import pygit2


def opens_in_libgit2(git_dir: Path) -> bool:
    """Whether libgit2 knows the repository's format: not with reftable, nor as a partial clone."""
    try:
        pygit2.Repository(str(git_dir))
    except pygit2.GitError:
        return False
    return True


def make_shim(common_dir: Path, state_dir: Path) -> Path:
    """Return a bare repository without refs whose object store is the real one; made where absent."""
    shim = state_dir / "objects.git"
    if not (shim / "HEAD").exists():
        (shim / "refs").mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):  # another thread or process is at it
            (shim / "objects").symlink_to(common_dir / "objects")
        (shim / "config").write_text("[core]\n\trepositoryformatversion = 0\n\tbare = true\n")
        (shim / "HEAD").write_text("ref: refs/heads/none\n")
    return shim
