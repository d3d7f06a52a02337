"""A `git gc --prune=now` at the worst moments takes nothing that is about to get a ref, or has just got one."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gitmimo.errors import MimoError
from gitmimo.git import refs, tree
from gitmimo.git.commit import write_commit
from gitmimo.git.holding import find_cleaners, hold_objects, sweep_holds
from gitmimo.git.merge import merge_in_memory
from gitmimo.git.repository import Repository
from tests.conftest import GitBuilder

PRUNE = ("gc", "--quiet", "--prune=now")
REF = "refs/heads/mimo/x"


def make_step(git: GitBuilder, repository: Repository, base: str, *, prune: bool) -> str:
    """Write a step with a gc after each of its objects, and publish it."""
    clean = (lambda: git(*PRUNE)) if prune else (lambda: "")
    made = tree.put_files(repository, repository.tree_of(base), {"deep/er/new.txt": b"new\n", "a": b"changed\n"})
    clean()
    oid = write_commit(repository, tree=made, parents=(repository.resolve(base),), message="step")
    clean()
    refs.update_ref(repository, REF, oid, expected=None, reason="test")
    return oid


def test_what_gc_takes_before_a_ref_holds_it_is_put_back_before_the_ref_moves(git: GitBuilder) -> None:
    base = git.commit({"a": "1\n", "deep/b": "2\n"})
    repository = Repository.discover(git.path)
    with hold_objects(repository):
        oid = make_step(git, repository, base, prune=True)
        git("fsck", "--strict")
        assert git("show", f"{oid}:deep/er/new.txt") == "new"
    assert not list((git.path / ".git/mimo/held").iterdir())


def test_without_a_hold_it_would_be_lost(git: GitBuilder) -> None:
    base = git.commit({"a": "1\n", "deep/b": "2\n"})
    with pytest.raises(MimoError):
        make_step(git, Repository.discover(git.path), base, prune=True)


def test_what_a_prune_takes_after_the_ref_moved_is_put_back_when_it_has_ended(git: GitBuilder) -> None:
    """The prune that looked for refs before ours was there and removes after: played by removing by hand."""
    base = git.commit({"a": "1\n"})
    repository = Repository.discover(git.path)
    with hold_objects(repository):
        oid = make_step(git, repository, base, prune=False)
        for object_id in git("rev-list", "--objects", oid, f"^{base}").splitlines():
            name = object_id.split()[0]
            (git.path / ".git/objects" / name[:2] / name[2:]).unlink()
        assert repository.read_blob(oid, "a") == b"changed\n"
    git("fsck", "--strict")
    assert git("show", f"{oid}:a") == "changed"


def test_a_merge_in_memory_outlives_a_gc(git: GitBuilder) -> None:
    base = git.commit({"a": "1\n" * 9, "b": "1\n"})
    ours = git.commit({"a": "0\n" + "1\n" * 9})
    git("switch", "--quiet", "--create", "other", base)
    theirs = git.commit({"a": "1\n" * 9 + "2\n"})
    repository = Repository.discover(git.path)
    with hold_objects(repository):
        merged = merge_in_memory(repository, ours=repository.resolve(ours), theirs=repository.resolve(theirs))
        git(*PRUNE)
        made = write_commit(repository, tree=merged, parents=(repository.resolve(ours),), message="merge")
        refs.update_ref(repository, REF, made, expected=None, reason="test")
    git("fsck", "--strict")
    assert git("show", f"{made}:a").split() == ["0", *"1" * 9, "2"]


def test_a_killed_command_leaves_its_hold_for_the_next_one(git: GitBuilder) -> None:
    base = git.commit({"a": "1\n"})
    code = (
        "import os, signal; from pathlib import Path; from gitmimo.git import refs, tree\n"
        "from gitmimo.git.commit import write_commit; from gitmimo.git.holding import hold_objects\n"
        "from gitmimo.git.repository import Repository\n"
        f"r = Repository.discover(Path({str(git.path)!r})); base = r.resolve('HEAD')\n"
        "with hold_objects(r):\n"
        "    made = tree.put_files(r, r.tree_of(base), {'new.txt': b'new'})\n"
        "    oid = write_commit(r, tree=made, parents=(base,), message='step')\n"
        f"    refs.update_ref(r, {REF!r}, oid, expected=None, reason='test')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    root = str(Path(__file__).parent.parent.parent)
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": root}, check=False)
    assert done.returncode == -signal.SIGKILL
    for item in git("rev-list", "--objects", REF, f"^{base}").splitlines():
        name = item.split()[0]
        (git.path / ".git/objects" / name[:2] / name[2:]).unlink()
    assert sweep_holds(Repository.discover(git.path)) == 3
    git("fsck", "--strict")
    assert not list((git.path / ".git/mimo/held").iterdir())


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="processes are found by /proc")
def test_a_running_gc_is_seen_here_and_not_in_another_repository(git: GitBuilder, tmp_path: Path) -> None:
    git.commit({"a": "1\n"})
    (git.path / "sub").mkdir()
    repository = Repository.discover(git.path)
    other = GitBuilder(tmp_path / "other")
    # a real git that waits for its input, with the name of a cleaner among its words
    command = ["git", "hash-object", "--stdin", "--path", "gc"]
    with (
        subprocess.Popen(command, cwd=other.path, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as away,
        subprocess.Popen(command, cwd=git.path / "sub", stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as here,
    ):
        limit = time.monotonic() + 10
        while not (found := find_cleaners(repository)) and time.monotonic() < limit:
            time.sleep(0.01)
        for waiting in (away, here):
            assert waiting.stdin is not None
            waiting.stdin.close()
    assert found == {here.pid}
