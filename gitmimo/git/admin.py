"""Git's own entry of a worktree, read and removed as files.

A kill can leave an entry half written, and then git refuses to list any worktree at all: so what is ours is recognised
and cleared without asking git. Entries of ours say so in their lock from the first moment to the last.
"""

import contextlib
import os
import shutil
from pathlib import Path

from gitmimo.errors import WorktreeError
from gitmimo.git.refs import worktree_git_dir

MARK = "git-mimo: "


def admin_entries(common_dir: Path) -> list[Path]:
    """Return the entries of all linked worktrees, whole or not."""
    listed = common_dir / "worktrees"
    return sorted(path for path in listed.iterdir() if path.is_dir()) if listed.is_dir() else []


def find_entry_of(common_dir: Path, path: Path) -> Path | None:
    """Return the entry of the worktree at this path; None without one."""
    wanted = os.path.realpath(path)
    for entry in admin_entries(common_dir):
        place = place_of(entry)
        if place is not None and os.path.realpath(place) == wanted:
            return entry
    return None


def checked_out_index(common_dir: Path, path: Path) -> Path | None:
    """Return the index that git keeps for the worktree at this path; None when git knows of none."""
    entry = find_entry_of(common_dir, path)
    return None if entry is None else entry / "index"


def place_of(entry: Path) -> Path | None:
    """Return where an entry's worktree lies; None where it wasn't written down yet."""
    said = _read(entry / "gitdir").removesuffix("\n")
    return (entry / said).parent if said else None


def is_ours(entry: Path) -> bool:
    """Whether git-mimo made the worktree."""
    return _read(entry / "locked").startswith(MARK)


def is_whole(entry: Path) -> bool:
    """Whether git finished making it, for which it writes the index last, and nobody began to remove it."""
    return (entry / "index").exists()


def sweep(common_dir: Path) -> tuple[Path, ...]:
    """Clear away each worktree of ours that a killed process left half made or half removed; return their entries.

    Only under the lock for worktrees, which says that nobody is making one just now. A kill can also fall before the
    entry says whose it is, or after: then it is an empty directory, and its name, a candidate's number, says it.
    """
    left = [entry for entry in admin_entries(common_dir) if is_ours(entry) and not is_whole(entry)]
    for entry in left:
        discard(entry)
    for entry in admin_entries(common_dir):
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                entry.rmdir()  # only where it is empty
    return tuple(left)


def discard(entry: Path) -> None:
    """Remove a worktree of ours, its files first and the mark that it is ours last, so that a kill can be made good."""
    (entry / "index").unlink(missing_ok=True)  # from here on it isn't whole
    place = place_of(entry)
    if place is not None:
        pointed = worktree_git_dir(place)
        if pointed is not None and pointed != entry and pointed.parent == entry.parent and pointed.exists():
            raise WorktreeError(f"another worktree lies in the place of one of ours: `{place}`")
        remove_tree(place)
    for item in entry.iterdir():
        if item.name in ("gitdir", "locked"):
            continue
        if item.is_dir() and not item.is_symlink():
            remove_tree(item)
        else:
            item.unlink(missing_ok=True)  # a lock of the user's gc goes by itself
    (entry / "gitdir").unlink(missing_ok=True)
    (entry / "locked").unlink(missing_ok=True)
    entry.rmdir()
    with contextlib.suppress(OSError):  # git, too, removes it with the last one
        entry.parent.rmdir()


def remove_tree(path: Path) -> None:
    """Remove a directory with all in it, also what was made read-only; links are removed, not followed."""
    if path.is_symlink() or not path.is_dir():
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            path.unlink()
        return
    try:
        shutil.rmtree(path)
    except PermissionError:
        for parent, _, _ in os.walk(path):  # top down, so that each is opened before it is read
            Path(parent).chmod(0o700)
        try:
            shutil.rmtree(path)
        except OSError as exc:
            raise WorktreeError(f"cannot remove the worktree: {exc}", hint=f"rm -r '{path}'") from exc
    except FileNotFoundError:
        return
    except OSError as exc:
        raise WorktreeError(f"cannot remove the worktree: {exc}", hint=f"rm -r '{path}'") from exc


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="surrogateescape")
    except OSError:
        return ""
