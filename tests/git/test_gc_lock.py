"""While objects wait for their refs, `git gc` keeps out; before and after, and when the holder was killed, it runs."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from gitmimo.errors import MimoError
from gitmimo.git import refs, trees
from gitmimo.git.commit import write_commit
from gitmimo.git.gc_lock import hold_off_gc
from gitmimo.git.repository import Repository
from tests.conftest import GitBuilder

PRUNE = ("gc", "--quiet", "--prune=now")
REF = "refs/heads/mimo/x"
ROOT = str(Path(__file__).parent.parent.parent)
HOLDER = (
    "import sys; from pathlib import Path; from gitmimo.git.gc_lock import hold_off_gc\n"
    "from gitmimo.git.repository import Repository\n"
    "with hold_off_gc(Repository.discover(Path('.'))):\n"
    "    print('held', flush=True)\n"
    "    sys.stdin.read()\n"
)


def collect(git: GitBuilder, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", "-C", git.path, *words], capture_output=True, text=True, check=False)


def make_step(git: GitBuilder, repository: Repository, base: str) -> str:
    """Write a step with a gc after each of its objects, and publish it."""
    made = trees.write_files(repository, repository.tree_of(base), {"deep/er/new.txt": b"new\n", "a": b"changed\n"})
    collect(git, *PRUNE)
    oid = write_commit(repository, tree=made, parents=(repository.resolve(base),), message="step")
    collect(git, *PRUNE)
    refs.update_ref(repository, REF, oid, expected=None, reason="test")
    return oid


def start_holder(git: GitBuilder) -> "subprocess.Popen[str]":
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER], cwd=git.path, env={**os.environ, "PYTHONPATH": ROOT}, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def test_objects_that_have_no_ref_yet_survive_a_gc(git: GitBuilder) -> None:
    base = git.commit({"a": "1\n", "deep/b": "2\n"})
    repository = Repository.discover(git.path)
    with hold_off_gc(repository):
        oid = make_step(git, repository, base)
    git("fsck", "--strict")
    assert git("show", f"{oid}:deep/er/new.txt") == "new"


def test_without_the_lock_they_would_be_lost(git: GitBuilder) -> None:
    base = git.commit({"a": "1\n", "deep/b": "2\n"})
    with pytest.raises(MimoError):
        make_step(git, Repository.discover(git.path), base)


def test_a_gc_says_who_keeps_it_out_and_runs_afterwards(git: GitBuilder) -> None:
    git.commit({"a": "1\n"})
    (git.path / "sub").mkdir()
    with hold_off_gc(Repository.discover(git.path)):
        refused = collect(git, "-C", "sub", *PRUNE)
        assert refused.returncode != 0
        assert f"pid {os.getpid()}" in refused.stderr
        automatic = collect(git, "-c", "gc.auto=1", "gc", "--auto")
        assert (automatic.returncode, automatic.stderr) == (0, "")
    assert collect(git, *PRUNE).returncode == 0
    assert not (git.path / ".git/gc.pid").exists()
    assert not list((git.path / ".git/mimo/writers").iterdir())


def test_a_holder_that_was_killed_keeps_nobody_out(git: GitBuilder) -> None:
    git.commit({"a": "1\n"})
    holder = start_holder(git)
    assert collect(git, *PRUNE).returncode != 0
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    assert collect(git, *PRUNE).returncode == 0
    with hold_off_gc(Repository.discover(git.path)):
        assert collect(git, *PRUNE).returncode != 0


@pytest.mark.parametrize("first", ["other", "this"])
def test_of_two_processes_the_last_one_lets_gc_in(git: GitBuilder, first: str) -> None:
    git.commit({"a": "1\n"})
    repository = Repository.discover(git.path)
    if first == "other":
        holder = start_holder(git)
        with hold_off_gc(repository):
            holder.communicate("")
            assert collect(git, *PRUNE).returncode != 0
    else:
        with hold_off_gc(repository):
            holder = start_holder(git)
        assert collect(git, *PRUNE).returncode != 0
        holder.communicate("")
    assert collect(git, *PRUNE).returncode == 0


def test_of_two_threads_the_last_one_lets_gc_in(git: GitBuilder) -> None:
    base = git.commit({"a": "1\n"})
    repository = Repository.discover(git.path)
    inside, left = threading.Event(), threading.Event()

    def first() -> None:
        with hold_off_gc(repository):
            inside.set()
            left.wait(10)

    thread = threading.Thread(target=first)
    thread.start()
    inside.wait(10)
    with hold_off_gc(repository):
        left.set()
        thread.join()
        oid = make_step(git, repository, base)
    git("fsck", "--strict")
    assert git("show", f"{oid}:a") == "changed"
    assert collect(git, *PRUNE).returncode == 0


def test_a_gc_that_runs_already_is_waited_for(git: GitBuilder) -> None:
    """The file is what git leaves while it collects; its process ends soon."""
    git.commit({"a": "1\n"})
    running = subprocess.Popen(["sleep", "0.5"])
    (git.path / ".git/gc.pid").write_text(f"{running.pid} {os.uname().nodename}")
    threading.Thread(target=running.wait).start()
    with hold_off_gc(Repository.discover(git.path)):
        assert running.poll() is not None
        assert (git.path / ".git/gc.pid").read_text().startswith(f"{os.getpid()} ")
