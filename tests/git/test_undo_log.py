import pytest

from gitmimo.errors import RepoError
from gitmimo.git.commit import write_commit
from gitmimo.git.refs import delete_ref, list_refs, read_ref, update_ref
from gitmimo.git.repository import Repository
from gitmimo.git.undo_log import RefMove, apply_move, list_operations, read_operation, record_moves
from gitmimo.ids import Oid
from gitmimo.workflow.undo import undo
from tests.conftest import GitBuilder


@pytest.fixture
def later(repository: Repository, base: Oid) -> Oid:
    return write_commit(repository, tree=repository.tree_of(base), parents=[base], message="later")


def test_an_operation_is_undone_and_the_undo_too(
    git: GitBuilder, repository: Repository, base: Oid, later: Oid
) -> None:
    update_ref(repository, "refs/heads/a", later, expected=None, reason="x")
    moves = [RefMove(ref="refs/heads/a", old=later, new=base), RefMove(ref="refs/heads/b", old=None, new=later)]
    done = record_moves(repository, "dream", moves)
    recorded = git("rev-parse", f"refs/mimo/ops/{done}")
    for move in moves:
        apply_move(repository, move, reason="mimo: dream")
    assert git("rev-list", "--parents", "-1", recorded).split() == [recorded, later]
    assert read_operation(repository, done).moves == tuple(moves)
    first = undo(repository, id=done).record
    assert list_refs(repository, "refs/heads/") == {"refs/heads/a": later, "refs/heads/main": base}
    second = undo(repository, id=first).record
    assert list_refs(repository, "refs/heads/") == {
        "refs/heads/a": base,
        "refs/heads/b": later,
        "refs/heads/main": base,
    }
    assert [op.id for op in list_operations(repository)] == [second, first, done]
    assert read_operation(repository, second).command == f"undo {first}"


def test_old_tips_stay_reachable(git: GitBuilder, repository: Repository, later: Oid) -> None:
    update_ref(repository, "refs/heads/a", later, expected=None, reason="x")
    done = record_moves(repository, "gc", [RefMove(ref="refs/heads/a", old=later, new=None)])
    delete_ref(repository, "refs/heads/a", expected=later, reason="gc")
    git("reflog", "expire", "--expire=now", "--all")
    git("gc", "--quiet", "--prune=now")
    undo(repository, id=done)
    assert read_ref(repository, "refs/heads/a") == later


def test_an_undo_that_was_cut_short_can_be_finished(repository: Repository, base: Oid, later: Oid) -> None:
    moves = [RefMove(ref=f"refs/heads/{name}", old=None, new=later) for name in ("a", "b")]
    done = record_moves(repository, "x", moves)
    apply_move(repository, moves[0], reason="x")  # killed here
    undo(repository, id=done)
    assert list_refs(repository, "refs/heads/") == {"refs/heads/main": base}


def test_what_is_no_record_is_told(git: GitBuilder, repository: Repository, base: Oid) -> None:
    with pytest.raises(RepoError, match="no such operation"):
        read_operation(repository, "nothing")
    git("update-ref", "refs/mimo/ops/foreign", base)
    with pytest.raises(RepoError, match="cannot be read"):
        read_operation(repository, "foreign")
