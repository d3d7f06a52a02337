import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from gitmimo.errors import RepoError
from gitmimo.git.refs import list_refs, read_ref
from gitmimo.git.repository import Repository
from gitmimo.git.worktree import (
    Owner,
    add_worktree,
    find_admin_directory,
    list_worktrees,
    remove_worktree,
    sweep_worktrees,
)
from gitmimo.ids import Oid
from gitmimo.processes import process_name
from tests.conftest import GitBuilder

BRANCH = "mimo/0a1b2c3d4e/1"


def test_a_worktree_is_made_locked_and_removed_without_a_trace(
    git: GitBuilder, repository: Repository, base: Oid, tmp_path: Path
) -> None:
    config = (git.path / ".git/config").read_bytes()
    place = tmp_path / "state dir/ü/1"
    made = add_worktree(repository, place, branch=BRANCH, start=base, reason="session 0a1b2c3d4e candidate 1")
    found = next(each for each in list_worktrees(repository) if each.path == place)
    assert found == made
    assert found.is_ours
    assert found.owner is not None
    assert (found.owner.process, found.owner.host) == (process_name(os.getpid()), socket.gethostname())
    assert found.owner.is_alive
    assert (found.path, found.branch, found.head) == (place, BRANCH, base)
    assert (place / "a.py").read_text() == "x = 1\n"
    assert GitBuilder.__call__(git, "-C", str(place), "status", "--porcelain") == ""
    (place / "untracked").write_text("x")
    remove_worktree(repository, place)
    remove_worktree(repository, place)  # gone already
    assert not place.exists()
    assert [w.path for w in list_worktrees(repository)] == [git.path]
    assert read_ref(repository, f"refs/heads/{BRANCH}") == base
    assert (git.path / ".git/config").read_bytes() == config


def test_nobody_elses_worktree_is_removed(git: GitBuilder, repository: Repository, tmp_path: Path) -> None:
    git("worktree", "add", "--quiet", "-b", "side", str(tmp_path / "side"))
    with pytest.raises(RepoError, match="did not make it"):
        remove_worktree(repository, tmp_path / "side")
    with pytest.raises(RepoError, match="did not make it"):
        remove_worktree(repository, git.path)
    assert (tmp_path / "side/a.py").exists()


def test_parallel_starts_from_a_tracking_branch_all_succeed(git: GitBuilder, base: Oid, tmp_path: Path) -> None:
    git("clone", "--quiet", str(git.path), str(tmp_path / "clone"))
    clone = Repository.discover(tmp_path / "clone")
    failures: list[RepoError] = []

    def add(number: int) -> None:
        try:
            add_worktree(clone, tmp_path / f"w{number}", branch=f"mimo/s/{number}", start=base, reason="x")
        except RepoError as exc:
            failures.append(exc)

    threads = [threading.Thread(target=add, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(list_worktrees(clone)) == 9
    assert 'branch "mimo' not in (tmp_path / "clone/.git/config").read_text()


def test_what_is_there_already_is_not_overwritten(repository: Repository, base: Oid, tmp_path: Path) -> None:
    add_worktree(repository, tmp_path / "ours", branch="mimo/s/2", start=base, reason="x")
    for name in ("theirs", "ours"):
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "mine").write_text("x")
        with pytest.raises(RepoError, match="something is already there"):
            add_worktree(repository, tmp_path / name, branch=BRANCH, start=base, reason="x")
        assert (tmp_path / name / "mine").read_text() == "x"
        assert read_ref(repository, f"refs/heads/{BRANCH}") is None


def test_a_branch_at_another_commit_is_not_reused(
    git: GitBuilder, repository: Repository, base: Oid, tmp_path: Path
) -> None:
    later = Oid(git.commit({"b": "1"}))
    git("branch", BRANCH, base)
    with pytest.raises(RepoError, match="at another commit"):
        add_worktree(repository, tmp_path / "w", branch=BRANCH, start=later, reason="x")
    made = add_worktree(repository, tmp_path / "w", branch=BRANCH, start=base, reason="x")
    assert made.head == base


def test_a_failure_leaves_nothing_behind(git: GitBuilder, repository: Repository, base: Oid, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RepoError):
        add_worktree(repository, tmp_path / "file/w", branch=BRANCH, start=base, reason="x")
    blob = next(e.oid for e in repository.list_paths(base) if e.path == "a.py")
    (git.path / ".git/objects" / blob[:2] / blob[2:]).unlink()  # the checkout stops in its middle
    with pytest.raises(RepoError, match="cannot make the worktree"):
        add_worktree(repository, tmp_path / "w", branch=BRANCH, start=base, reason="x")
    assert not (tmp_path / "w").exists()
    assert not any((git.path / ".git/worktrees").glob("*"))
    assert list(list_refs(repository, "refs/heads/")) == ["refs/heads/main"]


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="needs bubblewrap for a small file system")
def test_a_full_disk_is_told_and_leaves_nothing_behind(git: GitBuilder, tmp_path: Path) -> None:
    base = git.commit({f"big{number}": os.urandom(300_000) for number in range(6)})
    small = tmp_path / "small"
    small.mkdir()
    program = (
        "import sys\nfrom pathlib import Path\nfrom gitmimo.errors import RepoError\n"
        "from gitmimo.git.repository import Repository\nfrom gitmimo.git.worktree import add_worktree\n"
        "place = Path(sys.argv[1]) / 'w'\n"
        "try:\n    add_worktree(Repository.discover(Path(sys.argv[2])), place, branch='mimo/s/1', start=sys.argv[3],"
        " reason='x')\n"
        "except RepoError as exc:\n    print('unable to write' in exc.message, exc.hint[:15], place.exists())\n"
    )
    root = str(Path(__file__).parent.parent.parent)
    done = subprocess.run(
        ["bwrap", "--dev-bind", "/", "/", "--size", "1000000", "--tmpfs", str(small), "--chdir", root]
        + [sys.executable, "-c", program, str(small), str(git.path), base],
        capture_output=True,
        text=True,
        check=False,
    )
    if "Operation not permitted" in done.stderr or "Creating new namespace failed" in done.stderr:
        pytest.skip("bubblewrap is not allowed here")
    assert (done.stdout, done.stderr) == ("True free some space False\n", "")
    assert git("branch", "--list", "mimo/*") == ""
    assert len(list_worktrees(Repository.discover(git.path))) == 1


@pytest.mark.parametrize("left", ["no index", "no pointer", "no gitdir", "empty gitdir", "empty commondir"])
def test_what_a_kill_left_half_made_is_made_anew(
    git: GitBuilder, repository: Repository, base: Oid, tmp_path: Path, left: str
) -> None:
    place = tmp_path / "w"
    add_worktree(repository, place, branch=BRANCH, start=base, reason="x")
    home = git.path / ".git/worktrees/w"
    (place / "a.py").unlink()
    (home / "index").unlink()
    if left in ("no pointer", "no gitdir", "empty gitdir"):
        shutil.rmtree(place)
    if left == "no gitdir":
        (home / "gitdir").unlink()
    elif left.startswith("empty"):
        (home / left.removeprefix("empty ")).write_text("")
    add_worktree(repository, place, branch=BRANCH, start=base, reason="x")
    assert (place / "a.py").exists()
    assert [path.name for path in (git.path / ".git/worktrees").iterdir()] == ["w"]


@pytest.mark.parametrize("is_new", [True, False])
def test_a_lock_that_a_killed_git_left_on_the_branch_is_cleared(
    git: GitBuilder, repository: Repository, base: Oid, tmp_path: Path, is_new: bool
) -> None:
    if not is_new:
        git("branch", BRANCH, base)
    lock = git.path / f".git/refs/heads/{BRANCH}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.touch()
    os.utime(lock, (1, 1))
    made = add_worktree(repository, tmp_path / "w", branch=BRANCH, start=base, reason="x")
    assert (made.head, made.branch) == (base, BRANCH)
    assert not lock.exists()


@pytest.mark.parametrize("left", ["some files", "only the entry", "only its lock"])
def test_what_a_killed_removal_left_is_no_worktree(
    git: GitBuilder, repository: Repository, base: Oid, tmp_path: Path, left: str
) -> None:
    place, home = tmp_path / "w", git.path / ".git/worktrees/w"
    add_worktree(repository, place, branch=BRANCH, start=base, reason="x")
    (home / "index").unlink()
    (place / "a.py").unlink()
    if left != "some files":
        shutil.rmtree(place)
    if left == "only its lock":
        for item in set(home.iterdir()) - {home / "locked"}:
            shutil.rmtree(item) if item.is_dir() else item.unlink()
    add_worktree(repository, place, branch=BRANCH, start=base, reason="x")
    assert (place / "a.py").exists()
    remove_worktree(repository, place)
    assert len(list_worktrees(repository)) == 1
    assert not place.exists()


def test_an_empty_entry_is_swept_where_its_name_is_a_candidate_s(
    git: GitBuilder, repository: Repository, base: Oid, tmp_path: Path
) -> None:
    """A kill between the entry and its mark. The user's own stays, and so does whatever holds anything."""
    entries = git.path / ".git/worktrees"
    for name in ("1", "2", "theirs"):
        (entries / name).mkdir(parents=True)
    (entries / "2/gitdir").write_text(f"{tmp_path}/2/.git\n")
    add_worktree(repository, tmp_path / "1", branch=BRANCH, start=base, reason="x")
    assert sorted(path.name for path in entries.iterdir()) == ["1", "2", "theirs"]
    assert (entries / "1/index").exists()
    remove_worktree(repository, tmp_path / "1")
    assert sorted(path.name for path in entries.iterdir()) == ["2", "theirs"]


def test_an_entry_that_stops_git_is_cleared_when_worktrees_are_listed(
    git: GitBuilder, repository: Repository, base: Oid, tmp_path: Path
) -> None:
    add_worktree(repository, tmp_path / "w", branch=BRANCH, start=base, reason="x")
    home = git.path / ".git/worktrees/w"
    (home / "index").unlink()
    (home / "commondir").write_text("")
    assert len(list_worktrees(repository)) == 1
    git("worktree", "add", "--quiet", "-b", "side", str(tmp_path / "side"))
    (git.path / ".git/worktrees/side/commondir").write_text("")
    with pytest.raises(RepoError, match="commondir"):  # the user's own stays for the user to mend
        list_worktrees(repository)
    assert (tmp_path / "side/a.py").exists()


def test_read_only_directories_are_removed_too(repository: Repository, base: Oid, tmp_path: Path) -> None:
    add_worktree(repository, tmp_path / "w", branch=BRANCH, start=base, reason="x")
    (tmp_path / "w/cache/deep").mkdir(parents=True)
    (tmp_path / "w/cache/deep/file").touch()
    (tmp_path / "w/link").symlink_to(tmp_path / "kept")
    (tmp_path / "kept").mkdir()
    for name in ("w/cache/deep", "w/cache"):
        (tmp_path / name).chmod(0o500)
    remove_worktree(repository, tmp_path / "w")
    assert not (tmp_path / "w").exists()
    assert (tmp_path / "kept").exists()


def test_a_half_made_worktree_can_be_removed(
    git: GitBuilder, repository: Repository, base: Oid, tmp_path: Path
) -> None:
    add_worktree(repository, tmp_path / "w", branch=BRANCH, start=base, reason="x")
    (git.path / ".git/worktrees/w/index").unlink()
    (tmp_path / "w/.git").unlink()
    remove_worktree(repository, tmp_path / "w")
    assert len(list_worktrees(repository)) == 1
    assert not (tmp_path / "w").exists()


def test_a_directory_that_vanished_can_still_be_removed(repository: Repository, base: Oid, tmp_path: Path) -> None:
    add_worktree(repository, tmp_path / "w", branch=BRANCH, start=base, reason="x")
    shutil.rmtree(tmp_path / "w")
    remove_worktree(repository, tmp_path / "w")
    assert len(list_worktrees(repository)) == 1


def test_submodules_and_detached_and_bare_are_listed(git: GitBuilder, base: Oid, tmp_path: Path) -> None:
    git("worktree", "add", "--quiet", "--detach", str(tmp_path / "det\nached"))
    git("clone", "--quiet", "--bare", ".", str(tmp_path / "bare.git"))
    detached = list_worktrees(Repository.discover(git.path))[1]
    assert (detached.path, detached.branch, detached.head) == (tmp_path / "det\nached", None, base)
    assert list_worktrees(Repository.discover(tmp_path / "bare.git"))[0].is_bare


def test_a_worktree_is_as_sparse_as_the_user_s_checkout(
    git: GitBuilder, repository: Repository, base: Oid, tmp_path: Path
) -> None:
    git("sparse-checkout", "set", "tests")
    add_worktree(repository, tmp_path / "w", branch=BRANCH, start=base, reason="x")
    assert (tmp_path / "w/tests").is_dir()
    assert not (tmp_path / "w/.mimo").exists()
    remove_worktree(repository, tmp_path / "w")
    git("sparse-checkout", "disable")
    add_worktree(repository, tmp_path / "w", branch=BRANCH, start=base, reason="x")
    assert (tmp_path / "w/.mimo/config.yaml").exists()


def test_an_owner_that_ended_is_dead_and_one_of_another_host_counts_as_alive_for_a_day() -> None:
    process = subprocess.Popen(["sleep", "60"])
    ended = process_name(process.pid)
    process.kill()
    process.wait()
    now, here = int(time.time()), socket.gethostname()
    assert not Owner(process=ended, since_s=now, host=here).is_alive
    reused = f"{os.getpid()}:1:{ended.rpartition(':')[2]}"
    assert not Owner(process=reused, since_s=now, host=here).is_alive
    assert Owner(process=ended, since_s=now - 3600, host="another-host").is_alive
    assert not Owner(process=ended, since_s=now - 25 * 3600, host="another-host").is_alive
    assert Owner(process=process_name(os.getpid()), since_s=0, host="a-former-name").is_alive


def _relock(repository: Repository, place: Path, owner: str) -> Path:
    admin = find_admin_directory(repository.common_dir, place)
    assert admin is not None
    (admin / "locked").write_text(f"git-mimo: session x {owner}")
    return admin


@pytest.mark.parametrize(
    "owner",
    [
        "[process 4000000:1:0000 since {now} on {here}]",
        "[process 1:1:0000 since {old} on gone]",
        "[pid 1 started 2 on x]",
    ],
    ids=["ended", "another host, long ago", "an older version"],
)
def test_a_worktree_whose_files_and_owner_are_gone_is_cleared(
    git: GitBuilder, repository: Repository, base: Oid, tmp_path: Path, owner: str
) -> None:
    """As after the state directory was removed, or the container made anew: git refuses to remove it, being locked."""
    place = tmp_path / "w"
    add_worktree(repository, place, branch=BRANCH, start=base, reason="x")
    now = int(time.time())
    admin = _relock(repository, place, owner.format(now=now, old=now - 90_000, here=socket.gethostname()))
    assert sweep_worktrees(repository) == 0
    shutil.rmtree(place)
    assert sweep_worktrees(repository) == 1
    assert not admin.exists()
    git("branch", "-D", BRANCH)


def test_a_worktree_whose_owner_may_live_stays_though_its_files_are_gone(
    repository: Repository, base: Oid, tmp_path: Path
) -> None:
    place = tmp_path / "w"
    add_worktree(repository, place, branch=BRANCH, start=base, reason="x")
    shutil.rmtree(place)
    assert sweep_worktrees(repository) == 0
    admin = _relock(repository, place, f"[process 1:1:0000 since {int(time.time()) - 60} on another-host]")
    assert sweep_worktrees(repository) == 0
    assert admin.exists()


def test_the_filters_of_the_repository_do_not_run(git: GitBuilder, base: Oid, sealed: Path, tmp_path: Path) -> None:
    git("config", "filter.evil.smudge", f"touch {tmp_path}/ran; cat")
    subprocess.run(["git", "config", "--global", "filter.good.smudge", "sed s/x/smudged/"], check=True)
    start = Oid(git.commit({".gitattributes": "*.txt filter=good\n*.md filter=evil\n", "a.txt": "x", "a.md": "x"}))
    add_worktree(Repository.discover(git.path), tmp_path / "w", branch=BRANCH, start=start, reason="x")
    assert (tmp_path / "w/a.txt").read_text() == "smudged"
    assert (tmp_path / "w/a.md").read_text() == "x"
    assert not (tmp_path / "ran").exists()
