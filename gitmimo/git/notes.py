"""Notes on commits and trees under `refs/notes/mimo`, written by compare-and-swap."""

from gitmimo.errors import RefMoved, RepoError
from gitmimo.git.commit import write_commit
from gitmimo.git.gc_lock import hold_off_gc
from gitmimo.git.objects import FILE, TREE
from gitmimo.git.refs import read_ref, update_ref
from gitmimo.git.repository import Repository
from gitmimo.git.trees import edit_tree, empty_tree
from gitmimo.records import Oid
from gitmimo.refnames import NOTES_REF

_TRIES = 20
_REASON = "mimo: note"


def write_note(repository: Repository, target: Oid, data: str) -> None:
    """Set the note of an object, replacing an older one; other writers' notes survive."""
    with hold_off_gc(repository):
        _write(repository, target, repository.write_blob(data.encode(errors="surrogateescape")))


def _write(repository: Repository, target: Oid, blob: Oid) -> None:
    for _ in range(_TRIES):
        tip = read_ref(repository, NOTES_REF)
        tree = repository.tree_of(tip) if tip is not None else empty_tree(repository)
        path = _find_path(repository, tree, target) or f"{target[:2]}/{target[2:]}"
        changed = edit_tree(repository, tree, {path: (blob, FILE)})
        if tip is not None and changed == tree:
            return
        made = write_commit(repository, tree=changed, parents=[tip] if tip is not None else [], message=_REASON)
        try:
            update_ref(repository, NOTES_REF, made, expected=tip, reason=_REASON)
        except RefMoved:
            continue
        return
    raise RepoError(f"too many writers at once: `{NOTES_REF}`", hint="try again")


def read_note(repository: Repository, target: Oid) -> str | None:
    """Return the note of an object; None without one."""
    tip = read_ref(repository, NOTES_REF)
    path = _find_path(repository, repository.tree_of(tip), target) if tip is not None else None
    data = repository.read_blob(tip, path) if tip is not None and path is not None else None
    return None if data is None else data.decode(errors="surrogateescape")


def _find_path(repository: Repository, tree: Oid, target: Oid) -> str | None:
    """Find the note wherever git or we put it: names are split after two digits, any number of times."""
    prefix, rest = "", str(target)
    while True:
        entries = repository.read_tree(tree)
        if rest in entries:
            return prefix + rest
        below = entries.get(rest[:2])
        if below is None or below.mode != TREE:
            return None
        tree, prefix, rest = below.oid, f"{prefix}{rest[:2]}/", rest[2:]
