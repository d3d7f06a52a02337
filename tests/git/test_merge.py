import os
import subprocess
import time
from pathlib import Path

import pytest

from gitmimo.errors import MergeConflict, NeedsPerson, RefMoved, RepoError
from gitmimo.git.commit import write_commit
from gitmimo.git.merge import (
    InterruptedMerge,
    find_checkout,
    is_ancestor,
    merge_in_memory,
    merge_into_branch,
    recover_interrupted_merge,
)
from gitmimo.git.repository import Repository
from gitmimo.git.trees import write_files
from gitmimo.git.worktree import add_worktree
from gitmimo.ids import Oid
from tests.conftest import GitBuilder
from tests.git.test_untouched import fingerprint


def commit_files(repository: Repository, parent: Oid, files: dict[str, bytes | None], message: str = "x") -> Oid:
    tree = write_files(repository, repository.tree_of(parent), files)
    return write_commit(repository, tree=tree, parents=[parent], message=message)


def hook(git: GitBuilder, name: str, script: str) -> None:
    path = git.path / ".git/hooks" / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def theirs(repository: Repository, base: Oid) -> Oid:
    """A result on top of base."""
    return commit_files(repository, base, {"new.py": b"1\n"}, "result")


def test_a_merge_in_memory_is_gits_merge(git: GitBuilder, repository: Repository, base: Oid) -> None:
    text = "".join(f"line {number}\n" for number in range(20))
    start = Oid(git.commit({"long.py": text}))
    ours = commit_files(repository, start, {"long.py": None, "moved.py": text.encode()})
    theirs = commit_files(repository, start, {"long.py": text.replace("line 3\n", "line three\n").encode()})
    tree = merge_in_memory(repository, ours=ours, theirs=theirs)
    assert repository.read_blob(tree, "moved.py") == text.replace("line 3\n", "line three\n").encode()
    assert repository.read_blob(tree, "long.py") is None


def test_the_attributes_of_the_users_drivers_count(git: GitBuilder, base: Oid) -> None:
    start = Oid(git.commit({".gitattributes": "*.lst merge=union\n", "a.lst": "0\n"}))
    repository = Repository.discover(git.path)
    ours = commit_files(repository, start, {"a.lst": b"0\n1\n"})
    theirs = commit_files(repository, start, {"a.lst": b"0\n2\n"})
    assert repository.read_blob(merge_in_memory(repository, ours=ours, theirs=theirs), "a.lst") == b"0\n1\n2\n"


def test_conflicts_name_every_path(repository: Repository, base: Oid) -> None:
    odd = "od\nd\x1b \udcff"
    start = commit_files(repository, base, {odd: b"0\n"})
    ours = commit_files(repository, start, {"a.py": b"1\n", odd: b"1\n", "tests/test_a.py": None})
    theirs = commit_files(repository, start, {"a.py": b"2\n", odd: b"2\n", "tests/test_a.py": b"2\n"})
    with pytest.raises(MergeConflict) as caught:
        merge_in_memory(repository, ours=ours, theirs=theirs)
    assert caught.value.paths == ("a.py", odd, "tests/test_a.py")
    assert caught.value.exit_code == 2


def test_histories_without_a_common_start_are_told(repository: Repository, base: Oid) -> None:
    other = write_commit(repository, tree=repository.tree_of(base), parents=[], message="root")
    with pytest.raises(RepoError, match="no common history"):
        merge_in_memory(repository, ours=base, theirs=other)
    with pytest.raises(RepoError):
        merge_in_memory(repository, ours=base, theirs=Oid("1" * 40))


def test_ancestry(repository: Repository, base: Oid, theirs: Oid) -> None:
    assert is_ancestor(repository, older=base, newer=theirs)
    assert is_ancestor(repository, older=base, newer=base)
    assert not is_ancestor(repository, older=theirs, newer=base)


def test_the_checkout_is_fast_forwarded(git: GitBuilder, repository: Repository, base: Oid, theirs: Oid) -> None:
    git.write({"untracked": "mine"})
    assert merge_into_branch(repository, "main", theirs, expected=base, message="x") == theirs
    assert git("status", "--porcelain") == "?? untracked"
    assert (git.path / "new.py").read_text() == "1\n"
    assert git("reflog", "-1", "--format=%gs").startswith("mimo: merge")
    assert merge_into_branch(repository, "main", theirs, expected=theirs, message="x") == theirs


def test_a_branch_that_went_on_gets_a_true_merge_with_hooks(
    git: GitBuilder, repository: Repository, base: Oid, theirs: Oid, tmp_path: Path
) -> None:
    ours = Oid(git.commit({"b.py": "1\n"}))
    hook(git, "commit-msg", "echo 'Reviewed: yes' >>\"$1\"")
    hook(git, "pre-merge-commit", f"touch '{tmp_path}/pre-merge-commit'")
    hook(git, "post-merge", f"touch '{tmp_path}/post-merge'")
    tip = merge_into_branch(repository, "refs/heads/main", theirs, expected=ours, message="merge it\n\nMimo-Session: 1")
    assert git("log", "-1", "--format=%P") == f"{ours} {theirs}"
    assert "merge it" in git("log", "-1", "--format=%B", tip)
    assert "Reviewed: yes" in git("log", "-1", "--format=%B", tip)
    assert (tmp_path / "pre-merge-commit").exists()
    assert (tmp_path / "post-merge").exists()
    assert git("status", "--porcelain") == ""


def test_a_hook_that_refuses_leaves_everything_as_it_was(
    git: GitBuilder, repository: Repository, base: Oid, theirs: Oid
) -> None:
    ours = Oid(git.commit({"b.py": "1\n"}))
    hook(git, "pre-merge-commit", "echo no thanks >&2; exit 1")
    git.write({"untracked": "mine"})
    with pytest.raises(NeedsPerson, match="refused, nothing has changed: git merge failed: no thanks; Not committing"):
        merge_into_branch(repository, "main", theirs, expected=ours, message="x")
    assert repository.resolve("HEAD") == ours
    assert git("status", "--porcelain") == "?? untracked"
    assert not (git.path / ".git/MERGE_HEAD").exists()


def test_the_final_merge_is_signed_where_the_user_signs(
    git: GitBuilder, repository: Repository, base: Oid, theirs: Oid, tmp_path: Path
) -> None:
    ours = Oid(git.commit({"b.py": "1\n"}))
    git("config", "commit.gpgSign", "true")
    git("config", "gpg.program", "false")
    with pytest.raises(NeedsPerson, match="gpg failed to sign"):
        merge_into_branch(repository, "main", theirs, expected=ours, message="x")
    assert git("status", "--porcelain") == ""
    assert repository.resolve("HEAD") == ours


def test_a_file_in_the_way_stops_the_merge_and_survives(
    git: GitBuilder, repository: Repository, base: Oid, theirs: Oid
) -> None:
    git.write({"new.py": "precious\n"})
    with pytest.raises(NeedsPerson, match="untracked working tree files would be overwritten"):
        merge_into_branch(repository, "main", theirs, expected=base, message="x")
    assert (git.path / "new.py").read_text() == "precious\n"
    assert repository.resolve("HEAD") == base


@pytest.mark.parametrize("state", ["dirty", "staged", "merge", "rebase", "moved"])
def test_a_checkout_that_is_not_ready_is_left_alone(
    git: GitBuilder, repository: Repository, base: Oid, theirs: Oid, state: str
) -> None:
    expected, error = base, NeedsPerson
    if state in ("dirty", "staged"):
        git.write({"a.py": "dirty\n"})
        if state == "dirty":
            theirs = commit_files(repository, base, {"a.py": b"theirs\n"})
        if state == "staged":
            git("add", "a.py")
    elif state == "merge":
        git("branch", "side", theirs)
        git("merge", "--quiet", "--no-ff", "--no-commit", "side")
    elif state == "rebase":
        (git.path / ".git/rebase-merge").mkdir()
    else:
        git.commit({"b": "1"})
        error = RefMoved  # type: ignore[assignment]
    git("status")
    before = fingerprint(git.path)
    with pytest.raises(error) as caught:
        merge_into_branch(repository, "main", theirs, expected=expected, message="x")
    assert error is RefMoved or caught.value.hint
    assert fingerprint(git.path) == before


def test_a_branch_in_another_checkout_of_the_users_is_merged_there(
    git: GitBuilder, repository: Repository, base: Oid, theirs: Oid, tmp_path: Path
) -> None:
    git("worktree", "add", "--quiet", "-b", "side", str(tmp_path / "side"))
    assert find_checkout(repository, "side") == tmp_path / "side"
    assert merge_into_branch(repository, "side", theirs, expected=base, message="x") == theirs
    assert (tmp_path / "side/new.py").exists()
    assert not (git.path / "new.py").exists()


def test_a_branch_that_nobody_has_checked_out_moves_without_files(
    git: GitBuilder, repository: Repository, base: Oid, theirs: Oid
) -> None:
    git("branch", "side")
    before = {name: value for name, value in fingerprint(git.path).items() if "heads/side" not in name}
    assert merge_into_branch(repository, "side", theirs, expected=base, message="x") == theirs
    assert merge_into_branch(repository, "side", base, expected=theirs, message="x") == theirs
    other = commit_files(repository, base, {"other.py": b"1\n"})
    tip = merge_into_branch(repository, "side", other, expected=theirs, message="both")
    assert git("log", "-1", "--format=%P %s", "side") == f"{theirs} {other} both"
    assert repository.read_blob(tip, "new.py") == repository.read_blob(tip, "other.py") == b"1\n"
    with pytest.raises(RefMoved):
        merge_into_branch(repository, "side", commit_files(repository, tip, {"z": b""}), expected=theirs, message="x")
    clash = commit_files(repository, base, {"new.py": b"2\n"})
    with pytest.raises(MergeConflict):
        merge_into_branch(repository, "side", clash, expected=tip, message="x")
    assert {name: value for name, value in fingerprint(git.path).items() if "heads/side" not in name} == before


def test_a_worktree_of_ours_is_no_checkout_of_the_users(
    repository: Repository, base: Oid, theirs: Oid, tmp_path: Path
) -> None:
    add_worktree(repository, tmp_path / "w", branch="mimo/s/1", start=base, reason="x")
    assert find_checkout(repository, "mimo/s/1") is None
    with pytest.raises(RepoError, match="checked out in"):
        merge_into_branch(repository, "mimo/s/1", theirs, expected=base, message="x")


def test_settings_that_would_change_the_merge_are_overruled_or_heard(
    git: GitBuilder, repository: Repository, base: Oid, theirs: Oid
) -> None:
    git("config", "merge.autoStash", "true")
    git("config", "branch.main.mergeOptions", "--squash")
    git("config", "merge.ff", "false")  # this one is the user's taste
    tip = merge_into_branch(repository, "main", theirs, expected=base, message="wanted a merge commit")
    assert git("log", "-1", "--format=%P %s", tip) == f"{base} {theirs} wanted a merge commit"


def interrupted(git: GitBuilder, repository: Repository, base: Oid, theirs: Oid) -> InterruptedMerge:
    merged = repository.tree_of(theirs)
    return InterruptedMerge(
        checkout=git.path, branch="main", old=base, theirs=theirs, merged=merged, since=time.time() - 60
    )


def test_a_lock_of_a_commit_that_waits_for_its_editor_is_left_alone(
    git: GitBuilder, repository: Repository, base: Oid, theirs: Oid, tmp_path: Path
) -> None:
    """git has closed the lock file by then: that nobody has it open doesn't say that nobody uses it."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    (tmp_path / "editor").write_text(f'#!/bin/sh\necho mine >"$1"\ncat {pipe} >/dev/null\n')
    (tmp_path / "editor").chmod(0o755)
    git.write({"a.py": "x = 'mine'\n"})
    environment = {**os.environ, "GIT_EDITOR": str(tmp_path / "editor")}
    lock = git.path / ".git/index.lock"
    with subprocess.Popen(["git", "commit", "--quiet", "-a"], cwd=git.path, env=environment) as process:
        limit = time.monotonic() + 20
        while not lock.exists() and time.monotonic() < limit:
            time.sleep(0.01)
        with pytest.raises(NeedsPerson, match=f"still runs .*{process.pid}"):
            recover_interrupted_merge(repository, interrupted(git, repository, base, theirs))
        assert lock.exists()
        with pipe.open("w"):
            pass
        assert process.wait() == 0
    assert git("log", "-1", "--format=%s") == "mine"


def test_a_lock_that_a_killed_merge_left_is_removed(
    git: GitBuilder, repository: Repository, base: Oid, theirs: Oid
) -> None:
    lock = git.path / ".git/index.lock"
    lock.write_bytes(b"")
    recover_interrupted_merge(repository, interrupted(git, repository, base, theirs))
    assert not lock.exists()
    assert git("status", "--porcelain") == ""
