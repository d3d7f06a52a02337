"""What a candidate left where nothing of it counts: `.mimo/`, and hooks in its throw-away git."""

from gitmimo.git import tree
from gitmimo.git.repository import Repository
from gitmimo.records import Oid
from gitmimo.text import escape_controls
from gitmimo.workflow.steps import TRAJECTORY
from gitmimo.workflow.workspace import Place

_MOST_NAMED = 5


def find_dropped(repository: Repository, place: Place) -> tuple[str, ...]:
    """Say what will be thrown away, for people; to be asked while the candidate's worktree stands.

    Not noticed: files below `.mimo/` that git ignores, and what was changed there and changed back.
    """
    found = []
    now = tree.snapshot(repository, place.worktree, parent=place.base, index=place.index)
    before, after = _memory(repository, repository.tree_of(place.base)), _memory(repository, now)
    changed = sorted(path for path in {*before, *after} if before.get(path) != after.get(path))
    if changed:
        found.append(f"its changes below `.mimo/` were dropped: {_names(changed)}")
    hooks = sorted(path.name for path in (place.private_git / "hooks").glob("*") if not path.name.endswith(".sample"))
    if hooks:
        found.append(f"it planted git hooks, in a throw-away repository where none of ours runs: {_names(hooks)}")
    return tuple(found)


def _memory(repository: Repository, root: Oid) -> dict[str, Oid]:
    """What lies below `.mimo/`, without the records of steps, which are ours."""
    entries = repository.list_paths(root)
    return {e.path: e.oid for e in entries if e.path.startswith(".mimo/") and not e.path.startswith(f"{TRAJECTORY}/")}


def _names(paths: list[str]) -> str:
    more = f" and {len(paths) - _MOST_NAMED} more" if len(paths) > _MOST_NAMED else ""
    return ", ".join(f"`{escape_controls(path, newlines=False)}`" for path in paths[:_MOST_NAMED]) + more
