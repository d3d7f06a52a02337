import os
import threading
from pathlib import Path

import pytest

from gitmimo.errors import RefMoved, RepoError
from gitmimo.git.commit import write_commit
from gitmimo.git.refs import check_branch_prefix, checked_out_branches, delete_ref, list_refs, read_ref, update_ref
from gitmimo.git.repository import Repository
from gitmimo.ids import Oid, SessionId, base_ref, branch_ref, candidate_branch, candidate_ref, result_branch
from tests.conftest import GitBuilder

SESSION = SessionId("0a1b2c3d4e")


def commit_on(repository: Repository, parent: Oid, message: str) -> Oid:
    return write_commit(repository, tree=repository.tree_of(parent), parents=[parent], message=message)


def test_names_of_refs() -> None:
    assert candidate_branch(SESSION, 2) == "mimo/0a1b2c3d4e/2"
    assert candidate_ref(SESSION, 2) == "refs/mimo/candidates/0a1b2c3d4e/2"
    assert base_ref(SESSION) == "refs/mimo/base/0a1b2c3d4e"
    assert result_branch(SESSION, "Fix the Größe: off-by-one!") == "mimo/fix-the-große-off-by-one-0a1b2c3d4e".replace(
        "große", "groe"
    )
    assert result_branch(SESSION, "ünï 日本", prefix="bot/x") == "bot/x/uni-0a1b2c3d4e"
    assert result_branch(SESSION, "日本") == "mimo/task-0a1b2c3d4e"
    assert len(result_branch(SESSION, "word " * 100)) < 60
    assert branch_ref("main") == branch_ref("refs/heads/main") == "refs/heads/main"


def test_a_ref_is_made_moved_and_deleted(git: GitBuilder, either: Repository, base: Oid) -> None:
    later = commit_on(either, base, "later")
    update_ref(either, "refs/heads/side", base, expected=None, reason="mimo: begin")
    update_ref(either, "refs/heads/side", later, expected=base, reason="mimo: step 1")
    assert read_ref(either, "refs/heads/side") == later
    assert git("reflog", "side", "--format=%gs %gn <%ge>").splitlines() == [
        "mimo: step 1 Ada Author <ada@example.org>",
        "mimo: begin Ada Author <ada@example.org>",
    ]
    delete_ref(either, "refs/heads/side", expected=later, reason="mimo: gone")
    assert read_ref(either, "refs/heads/side") is None
    assert list_refs(either, "refs/heads/") == {"refs/heads/main": base}


def test_a_ref_that_stands_elsewhere_is_not_moved(git: GitBuilder, either: Repository, base: Oid) -> None:
    later = commit_on(either, base, "later")
    git("branch", "side", later)
    for expected in (base, None):
        with pytest.raises(RefMoved) as caught:
            update_ref(either, "refs/heads/side", base, expected=expected, reason="x")
        assert (caught.value.ref, caught.value.expected) == ("refs/heads/side", expected)
    with pytest.raises(RefMoved):
        delete_ref(either, "refs/heads/side", expected=base, reason="x")
    with pytest.raises(RefMoved):
        update_ref(either, "refs/heads/absent", later, expected=base, reason="x")
    assert read_ref(either, "refs/heads/side") == later


def test_packed_refs_move_too(git: GitBuilder, either: Repository, base: Oid) -> None:
    later = commit_on(either, base, "later")
    git("branch", "side", base)
    git("pack-refs", "--all")
    update_ref(either, "refs/heads/side", later, expected=base, reason="x")
    assert git("rev-parse", "side") == later


def test_of_many_writers_exactly_one_wins(repository: Repository, base: Oid) -> None:
    update_ref(repository, "refs/heads/side", base, expected=None, reason="x")
    new = [commit_on(repository, base, f"writer {number}") for number in range(8)]
    outcomes: list[Oid | None] = []

    def write(tip: Oid) -> None:
        try:
            update_ref(repository, "refs/heads/side", tip, expected=base, reason="x")
        except RefMoved:
            outcomes.append(None)
        else:
            outcomes.append(tip)

    threads = [threading.Thread(target=write, args=(tip,)) for tip in new]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [tip for tip in outcomes if tip] == [read_ref(repository, "refs/heads/side")]
    assert len(outcomes) == 8


def test_a_branch_in_use_by_a_checkout_is_not_moved(
    git: GitBuilder, repository: Repository, base: Oid, tmp_path: Path
) -> None:
    later = commit_on(repository, base, "later")
    git("worktree", "add", "--quiet", "-b", "side", str(tmp_path / "side"))
    for name in ("main", "side"):
        with pytest.raises(RepoError, match=f"`{name}` is checked out in") as caught:
            update_ref(repository, f"refs/heads/{name}", later, expected=base, reason="x")
        assert str(git.path if name == "main" else tmp_path / "side") in caught.value.message
        with pytest.raises(RepoError, match="checked out"):
            delete_ref(repository, f"refs/heads/{name}", expected=base, reason="x")
    update_ref(repository, "refs/heads/side", later, expected=base, reason="x", worktree=tmp_path / "side")
    assert git("rev-parse", "side") == later
    with pytest.raises(RepoError, match="checked out"):
        update_ref(repository, "refs/heads/main", later, expected=base, reason="x", worktree=tmp_path / "side")


def test_a_branch_in_use_by_a_rebase_or_a_bisect_is_in_use(git: GitBuilder, repository: Repository, base: Oid) -> None:
    git("switch", "--quiet", "-c", "topic")
    git.commit({"a.py": "x = 2\n"})
    git("switch", "--quiet", "main")
    git.commit({"a.py": "x = 3\n"})
    git("switch", "--quiet", "topic")
    git("rebase", "main", check=False)
    assert set(checked_out_branches(repository)) == {"refs/heads/topic"}
    git("rebase", "--abort")
    git("bisect", "start", "topic", base)
    assert "refs/heads/topic" in checked_out_branches(repository)


def test_the_head_of_a_bare_repository_is_no_checkout(git: GitBuilder, base: Oid, tmp_path: Path) -> None:
    git("clone", "--quiet", "--bare", ".", str(tmp_path / "bare.git"))
    bare = Repository.discover(tmp_path / "bare.git")
    later = commit_on(bare, base, "later")
    update_ref(bare, "refs/heads/main", later, expected=base, reason="x")
    assert read_ref(bare, "refs/heads/main") == later


def test_a_branch_named_like_the_prefix_is_told_with_a_remedy(
    git: GitBuilder, repository: Repository, base: Oid
) -> None:
    check_branch_prefix(repository, "mimo")
    git("branch", "mimo")
    with pytest.raises(RepoError, match="`mimo` blocks branches named `mimo/…`") as caught:
        check_branch_prefix(repository, "mimo")
    assert "git branch -m mimo mimo-old" in caught.value.hint
    assert "mimo.branchPrefix" in caught.value.hint
    with pytest.raises(RepoError, match="`mimo` blocks `mimo/s/1`") as caught:
        update_ref(repository, "refs/heads/mimo/s/1", base, expected=None, reason="x")
    assert "git branch -m mimo mimo-old" in caught.value.hint
    with pytest.raises(RepoError, match="blocks"):
        check_branch_prefix(repository, "mimo/deeper")


@pytest.mark.parametrize("prefix", ["-x", "a..b", "a b", "", "x.lock", "/x"])
def test_prefixes_that_make_no_branch_are_refused(repository: Repository, prefix: str) -> None:
    with pytest.raises(RepoError, match="not a usable branch prefix"):
        check_branch_prefix(repository, prefix)


@pytest.mark.parametrize("name", ["main", "refs/heads/../x", "refs/heads/-x y", "-d", "refs/heads/a.lock", "HEAD"])
def test_names_that_are_no_refs_are_refused(repository: Repository, base: Oid, name: str) -> None:
    with pytest.raises(RepoError, match="not a usable ref"):
        update_ref(repository, name, base, expected=None, reason="x")
    with pytest.raises(RepoError, match="not a usable ref"):
        read_ref(repository, name)


def test_an_object_that_is_not_there_is_not_pointed_at(repository: Repository, base: Oid) -> None:
    update_ref(repository, "refs/heads/side", base, expected=None, reason="x")
    for expected in (base, None):
        name = "refs/heads/side" if expected else "refs/heads/new"
        with pytest.raises(RepoError):
            update_ref(repository, name, Oid("1" * 40), expected=expected, reason="x")
    assert read_ref(repository, "refs/heads/side") == base


def test_a_symbolic_ref_is_not_overwritten(git: GitBuilder, repository: Repository, base: Oid) -> None:
    git("branch", "side")
    git("symbolic-ref", "refs/heads/alias", "refs/heads/side")
    later = commit_on(repository, base, "later")
    with pytest.raises(RepoError, match="symbolic"):
        update_ref(repository, "refs/heads/alias", later, expected=base, reason="x")
    assert git("symbolic-ref", "refs/heads/alias") == "refs/heads/side"


@pytest.mark.parametrize("name", ["refs/mimo/candidates/0123456789/1", "refs/heads/mimo/0123456789/1"])
def test_a_lock_that_a_kill_left_on_a_ref_of_ours_is_removed_but_not_one_in_use(
    git: GitBuilder, repository: Repository, base: Oid, name: str
) -> None:
    second = Oid(git.commit({"a": "2\n"}))
    lock = git.path / f".git/{name}.lock"
    lock.parent.mkdir(parents=True)
    for new, expected in ((base, None), (second, base)):  # made by git, moved by libgit2
        lock.touch()
        os.utime(lock, (1, 1))
        update_ref(repository, name, new, expected=expected, reason="test")
        assert not lock.exists()
    with lock.open("w"):
        os.utime(lock, (1, 1))
        with pytest.raises(RepoError, match="cannot move"):
            update_ref(repository, name, base, expected=second, reason="test")
        assert lock.exists()


def test_a_stale_lock_is_named(git: GitBuilder, repository: Repository, base: Oid) -> None:
    git("branch", "side")
    lock = git.path / ".git/refs/heads/side.lock"
    lock.touch()
    with pytest.raises(RepoError, match="cannot move") as caught:
        update_ref(repository, "refs/heads/side", commit_on(repository, base, "x"), expected=base, reason="x")
    assert str(lock) in caught.value.hint


def test_the_lock_of_packed_refs_is_named_and_left(git: GitBuilder, repository: Repository, base: Oid) -> None:
    git("branch", "side")
    git("config", "core.packedRefsTimeout", "50")
    git("pack-refs", "--all")
    lock = git.path / ".git/packed-refs.lock"
    lock.touch()
    with pytest.raises(RepoError, match="cannot move") as caught:
        delete_ref(repository, "refs/heads/side", expected=base, reason="x")
    assert str(lock) in caught.value.hint
    assert lock.exists()


def test_refs_are_listed_by_prefix(repository: Repository, base: Oid) -> None:
    for name in ("refs/mimo/base/a", "refs/mimo/base/b", "refs/mimo/baseline/c"):
        update_ref(repository, name, base, expected=None, reason="x")
    assert list_refs(repository, "refs/mimo/base/") == {"refs/mimo/base/a": base, "refs/mimo/base/b": base}
    assert list_refs(repository, "refs/mimo/none/") == {}
