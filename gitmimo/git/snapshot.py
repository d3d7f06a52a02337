"""A directory's files as a tree, whatever an agent wrote there.

Its ignore rules, its attributes, its `.git` and the flags of any index that it can reach have no say: rules are the
parent commit's and the user's, filters those that the parent's attributes name. Nested repositories come in as plain
files, without their `.git`. Where files go into git as they lie, the directory is walked here, which starts no process
but one in a large checkout (`watch`); otherwise git does it by a private index, which takes three.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from gitmimo.errors import RepoError
from gitmimo.git.edit import MIMO_DIR
from gitmimo.git.ignore import IgnoreRules, TooManyStars
from gitmimo.git.index import snapshot_by_index
from gitmimo.git.repository import Repository
from gitmimo.git.sparse import absent_paths
from gitmimo.git.stat_data import Checkout
from gitmimo.git.tree_rules import product_key, read_tree_rules
from gitmimo.git.walk import Known, NeedsGit, Walk
from gitmimo.git.watch import begin_watch, watched_index
from gitmimo.records import Oid


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A directory as a tree; `left_out` names what can't be read or what git refuses to hold, such as `.GIT`."""

    tree: Oid
    left_out: tuple[str, ...] = ()


def take_snapshot(repository: Repository, directory: Path, *, parent: Oid, index: Path) -> Snapshot:
    """Write the directory's files as a tree, `.mimo/` as it lies there. Files that `parent` holds are never ignored.

    `index` is a path of the caller's for the private index and its neighbours: the same for one directory each time,
    which makes the second call cheap, and never for two threads at once.
    """
    if not directory.is_dir():
        raise RepoError(f"the directory is gone: `{directory}`")
    absent = repository.absent.get(index, frozenset())
    try:
        known = _prepare(repository, directory, parent, index)
        walk = Walk(repository, directory, parent, known, absent=absent)
        tree = walk.write()
    except (NeedsGit, TooManyStars):
        repository.snapshots.pop(index, None)
        tree, left_out = snapshot_by_index(repository, directory, parent=parent, index=index, absent=absent)
        return Snapshot(tree=tree, left_out=left_out)
    except OSError as exc:
        raise RepoError(f"cannot read the candidate's files: {exc}") from exc
    repository.snapshots[index] = known
    return Snapshot(tree=tree, left_out=tuple(walk.left_out))


def expect_checkout(repository: Repository, checkout: Checkout | None, *, index: Path) -> None:
    """Let the snapshots with this `index` believe git: on files that are as its checkout wrote them, and on what that
    left out.

    Without it every file is read and hashed once, and what a sparse checkout left out counts as removed.
    """
    if checkout is not None:
        repository.snapshots[index] = checkout
        expect_absent(repository, checkout.index, index=index)


def expect_absent(repository: Repository, checked_out: Path, *, index: Path) -> None:
    """Let the snapshots with this `index` take as unchanged what the checkout whose index is `checked_out` left out."""
    absent = absent_paths(repository, checked_out)
    if absent:
        repository.absent[index] = absent


def forget_checkout(repository: Repository, *, index: Path) -> None:
    """Forget what is known of a directory that is gone."""
    repository.snapshots.pop(index, None)
    repository.absent.pop(index, None)
    watched_index(index).unlink(missing_ok=True)


def _prepare(repository: Repository, directory: Path, parent: Oid, index: Path) -> Known:
    known = repository.snapshots.get(index)
    key = product_key(repository, parent)
    if isinstance(known, Known) and known.key == key:
        return known
    if isinstance(known, Known) and known.next_key == key:
        known.key = key
        known.gone.clear()
        return known
    entries = repository.list_paths(parent)
    checkout = known if isinstance(known, Checkout) else None
    known = known if isinstance(known, Known) else None
    rules = read_tree_rules(repository, parent, entries)
    if rules.converts_otherwise or not repository.user_rules.is_plain:
        raise NeedsGit
    tracked = {e.path: (e.mode, e.oid) for e in entries if not e.path.startswith(f"{MIMO_DIR}/")}
    written = known.written if known else checkout.read() if checkout else {}
    watch = None
    if checkout is not None:
        copy = watched_index(index)
        watch = begin_watch(repository, directory, checkout=checkout, copy=copy, written=written, tracked=tracked)
    elif known is not None and known.watch is not None:
        before = known.tracked
        watch = replace(known.watch, assumed={p for p in known.watch.assumed if tracked.get(p) == before.get(p)})
    return Known(
        key=key,
        next_key=key,
        product=Oid(key.partition(" ")[0]),
        rules=IgnoreRules(rules.ignore),
        tracked=tracked,
        converts_line_ends=rules.converts_line_ends,
        files=known.files if known else {},
        written=written,
        watch=watch,
    )
