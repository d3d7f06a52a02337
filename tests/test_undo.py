"""What the last command moved is taken back, what is older by its name, and merges survive being killed."""

import shutil
from pathlib import Path

import pytest

from benchmarks.kill_points import Point, make_project, merge, try_point
from gitmimo.errors import NeedsPerson, UsageError
from gitmimo.git.repository import Repository
from gitmimo.git.undo_log import RefMove, move_recorded
from gitmimo.workflow.undo import undo, undoable
from tests.conftest import GitBuilder
from tests.project import fingerprint, mimo


@pytest.fixture(params=[True, False], ids=["fast-forward", "merge"])
def merged(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[GitBuilder, dict[str, str]]:
    place, tip, _ = make_project(tmp_path, fast_forward=request.param)
    git = GitBuilder(place)
    before = fingerprint(git)()
    merge(place, tip)
    return git, before


def test_undo_of_a_merge_restores_the_branch_and_with_consent_the_files(
    merged: tuple[GitBuilder, dict[str, str]],
) -> None:
    git, before = merged
    refused = mimo("undo", cwd=git.path)
    assert refused.code == 2
    assert "git mimo undo --checkout" in refused.err
    listed = mimo("undo", "--list", "--json", cwd=git.path).json["operations"]
    assert [operation["command"] for operation in listed] == ["merge 0000000001 into main"]
    assert mimo("undo", "--checkout", cwd=git.path).code == 0
    after = fingerprint(git)()
    assert {k: v for k, v in after.items() if k != ".git/index"} == {
        k: v for k, v in before.items() if k != ".git/index"
    }
    assert git("diff", "--cached", "--name-only") == ""
    again = mimo("undo", cwd=git.path)
    assert again.code == 129
    assert "nothing is left to undo" in again.err


def test_an_undo_can_be_undone_and_done_again(merged: tuple[GitBuilder, dict[str, str]]) -> None:
    git, _ = merged
    repository = Repository.discover(git.path)
    tip = git("rev-parse", "main")
    for _ in range(3):
        done = undo(repository, with_checkout=True)
        assert git("rev-parse", "main") != tip
        undo(repository, id=done.record, with_checkout=True)
        assert git("rev-parse", "main") == tip
        assert git("status", "--porcelain") == "?? untracked.txt"


def test_nothing_moves_when_the_user_built_on_top_and_the_hint_reverts_it(
    merged: tuple[GitBuilder, dict[str, str]],
) -> None:
    git, _ = merged
    tip = git.commit({"mine.txt": "mine\n"}, "mine")
    with pytest.raises(NeedsPerson, match="newer commits") as caught:
        undo(Repository.discover(git.path), with_checkout=True)
    assert git("rev-parse", "main") == tip
    git(*caught.value.hint.split()[1:], "--no-edit")
    assert git("show", "HEAD:src/file0.txt").startswith("line 0")
    assert (git.path / "mine.txt").exists()


def test_changes_in_the_checkout_stop_an_undo(merged: tuple[GitBuilder, dict[str, str]]) -> None:
    git, _ = merged
    tip = git("rev-parse", "main")
    git.write({"src/file0.txt": "the user's\n"})
    with pytest.raises(NeedsPerson, match="uncommitted changes"):
        undo(Repository.discover(git.path), with_checkout=True)
    assert git("rev-parse", "main") == tip
    assert (git.path / "src/file0.txt").read_text() == "the user's\n"


def test_several_operations_are_undone_from_the_newest_on(git: GitBuilder) -> None:
    first = git.commit({"a": "1\n"})
    second = git.commit({"a": "2\n"})
    repository = Repository.discover(git.path)
    move_recorded(repository, "one", [RefMove(ref="refs/heads/mimo/x", old=None, new=first)])  # type: ignore[arg-type]
    move_recorded(repository, "two", [RefMove(ref="refs/heads/mimo/x", old=first, new=second)])  # type: ignore[arg-type]
    assert [operation.command for operation in undoable(repository)] == ["two", "one"]
    undo(repository)
    assert git("rev-parse", "mimo/x") == first
    undo(repository, id=undoable(repository)[0].id)
    assert git("branch", "--list", "mimo/x") == ""
    with pytest.raises(UsageError, match="nothing is left"):
        undo(repository)


SAMPLE = [("git", 70), ("git", 85), ("git", 95), ("git", 105), ("python", 3), ("python", 9)]


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("fast_forward", [True, False], ids=["fast-forward", "merge"])
def test_a_merge_killed_at_any_call_is_mended_and_done(tmp_path: Path, fast_forward: bool) -> None:
    made = make_project(tmp_path, fast_forward=fast_forward)
    for where, k in SAMPLE:
        try_point(made, tmp_path, Point(fast_forward=fast_forward, where=where, k=k))
    try_point(made, tmp_path, Point(fast_forward=fast_forward, where="git", k=90, fault="error=ENOSPC"))
