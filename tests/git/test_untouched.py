"""The user's checkout, index, stash, HEAD, configuration and hooks through all that a session does."""

import hashlib
from pathlib import Path

import pytest

from gitmimo.errors import MergeConflict, NeedsPerson
from gitmimo.evaluator.product import find_tree_problems
from gitmimo.git.agent_repo import make_agent_repo
from gitmimo.git.commit import add_trailers, write_commit, write_note
from gitmimo.git.diff import added_lines, diff_facts, diff_text
from gitmimo.git.merge import merge_in_memory, merge_into_branch
from gitmimo.git.refs import delete_ref, update_ref
from gitmimo.git.repository import Repository
from gitmimo.git.snapshot import take_snapshot
from gitmimo.git.trees import checkout_tree, restore_paths, without_mimo, write_files
from gitmimo.git.undo_log import RefMove, record_moves
from gitmimo.git.worktree import add_worktree, list_worktrees, remove_worktree
from gitmimo.ids import Oid, SessionId, base_ref, branch_ref
from gitmimo.workflow.undo import undo
from tests.conftest import GitBuilder

OURS = (
    "objects",
    "mimo",
    "worktrees",
    "refs/mimo",
    "refs/notes",
    "logs/refs/notes",
    "refs/heads/mimo",
    "logs/refs/heads/mimo",
)


def fingerprint(top: Path) -> dict[str, tuple[int, int, str]]:
    """Every file of checkout and git directory that isn't ours, with mode, time of change and content."""
    found = {}
    for path in sorted(top.rglob("*")):
        name = str(path.relative_to(top))
        if any(name == f".git/{ours}" or name.startswith(f".git/{ours}/") for ours in OURS) or path.is_dir():
            continue
        content = str(path.readlink()).encode() if path.is_symlink() else path.read_bytes()
        status = path.lstat()
        found[name] = (status.st_mode, status.st_mtime_ns, hashlib.sha256(content).hexdigest())
    return found


@pytest.fixture
def busy(git: GitBuilder, base: Oid) -> GitBuilder:
    """A checkout in the middle of somebody's work: stash, staged, changed, untracked, ignored, hooks, settings."""
    git.write({"a.py": "stashed\n"})
    git("stash", "push", "--quiet", "-m", "mine")
    git.write({"staged.py": "1\n", "tests/test_a.py": "assert 2\n"})
    git("add", "staged.py", "tests/test_a.py")
    git.write({"a.py": "dirty\n", "tests/test_a.py": "assert 3\n", "untracked/ü": "1", "x.o": "ignored"})
    git("config", "core.hooksPath", ".githooks")
    git.write(
        {".githooks/post-checkout": "#!/bin/sh\ntouch ../hook-ran\n", ".git/hooks/pre-commit": "#!/bin/sh\nexit 1\n"}
    )
    for hook in (".githooks/post-checkout", ".git/hooks/pre-commit"):
        (git.path / hook).chmod(0o755)
    git("config", "extensions.worktreeConfig", "true")
    return git


def test_a_whole_session_leaves_the_user_alone(busy: GitBuilder, base: Oid, tmp_path: Path) -> None:
    before, listing = fingerprint(busy.path), busy("status", "--porcelain", "--ignored")
    before = fingerprint(busy.path)  # that status call refreshed the user's index
    repository = Repository.discover(busy.path)
    session, place, branch = SessionId("0a1b2c3d4e"), tmp_path / "state/w", "mimo/0a1b2c3d4e/1"
    update_ref(repository, base_ref(session), base, expected=None, reason="mimo: start")
    add_worktree(repository, place, branch=branch, start=base, reason="session")
    make_agent_repo(repository, tmp_path / "state/private", base, work_tree=place)
    tip = base
    for number in range(3):
        (place / "a.py").write_text(f"x = {number + 2}\n")
        tree = take_snapshot(repository, place, base=base, index=tmp_path / "state/index").tree
        tree = write_files(repository, tree, {f".mimo/trajectory/{number}.json": b"{}"})
        made = write_commit(
            repository, tree=tree, parents=[tip], message=add_trailers("step", {"Mimo-Session": session})
        )
        update_ref(repository, branch_ref(branch), made, expected=tip, reason="mimo: step", worktree=place)
        tip = made
    product = without_mimo(repository, repository.tree_of(tip))
    restore_paths(repository, product, base, lambda path: path.startswith("tests/"))
    checkout_tree(repository, product, tmp_path / "state/fresh")
    assert diff_facts(repository, base, tip).files
    assert list(added_lines(repository, base, tip))
    assert diff_text(repository, base, tip)
    assert find_tree_problems(repository, base, tip) == ()
    assert merge_in_memory(repository, ours=base, theirs=tip)
    write_note(repository, tip, "{}")
    update_ref(repository, "refs/mimo/candidates/0a1b2c3d4e/1", tip, expected=None, reason="mimo: keep")
    remove_worktree(repository, place)
    record = record_moves(repository, "gc", [RefMove(ref=branch_ref(branch), old=tip, new=None)])
    delete_ref(repository, branch_ref(branch), expected=tip, reason="mimo: gc")
    undo(repository, id=record)
    update_ref(repository, "refs/heads/mimo/other", base, expected=None, reason="x")
    assert merge_into_branch(repository, "mimo/other", tip, expected=base, message="x") == tip
    assert len(list_worktrees(repository)) == 1
    with pytest.raises(NeedsPerson, match="uncommitted changes"):
        merge_into_branch(repository, "main", tip, expected=base, message="x")
    assert fingerprint(busy.path) == before
    assert not (tmp_path / "hook-ran").exists()
    assert busy("stash", "list") == "stash@{0}: On main: mine"
    assert busy("status", "--porcelain", "--ignored") == listing


def test_changes_that_a_merge_does_not_touch_stay_and_others_stop_it(git: GitBuilder, base: Oid) -> None:
    git.commit({"b.py": "b\n"})
    ours = Oid(git("rev-parse", "HEAD"))
    repository = Repository.discover(git.path)
    tree = write_files(repository, repository.tree_of(ours), {"a.py": b"theirs\n"})
    theirs = write_commit(repository, tree=tree, parents=[ours], message="x")
    for path, staged in (("a.py", False), ("b.py", True)):
        git.write({path: "the user's\n"})
        git(*(("add", path) if staged else ("status",)))
        before = fingerprint(git.path)
        with pytest.raises(NeedsPerson, match=f"could lose: `{path}`"):
            merge_into_branch(repository, "main", theirs, expected=ours, message="x")
        assert fingerprint(git.path) == before
        git("reset", "-q", "--hard")
    git.write({"b.py": "the user's\n"})
    assert merge_into_branch(repository, "main", theirs, expected=ours, message="x") == theirs
    assert (git.path / "b.py").read_text() == "the user's\n"
    assert git("status", "--porcelain") == " M b.py"


def test_a_conflict_at_the_end_leaves_the_user_alone(git: GitBuilder, base: Oid) -> None:
    repository = Repository.discover(git.path)
    theirs = write_commit(
        repository,
        tree=write_files(repository, repository.tree_of(base), {"a.py": b"theirs\n"}),
        parents=[base],
        message="x",
    )
    ours = Oid(git.commit({"a.py": "ours\n"}))
    git.write({"untracked": "1"})
    git("status")
    before = fingerprint(git.path)
    with pytest.raises(MergeConflict) as caught:
        merge_into_branch(repository, "main", theirs, expected=ours, message="x")
    assert caught.value.paths == ("a.py",)
    assert fingerprint(git.path) == before
