"""A `git gc --prune=now` at the worst moments takes nothing that is about to get a ref, or has just got one."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from gitmimo.errors import MimoError
from gitmimo.git import refs, trees
from gitmimo.git.commit import write_commit
from gitmimo.git.keep_objects import keep_objects, restore_kept_objects, running_gcs
from gitmimo.git.merge import merge_in_memory
from gitmimo.git.repository import Repository
from gitmimo.git.run import subcommand_of
from tests.conftest import GitBuilder

PRUNE = ("gc", "--quiet", "--prune=now")
REF = "refs/heads/mimo/x"


def make_step(git: GitBuilder, repository: Repository, base: str, *, prune: bool) -> str:
    """Write a step with a gc after each of its objects, and publish it."""
    collect = (lambda: git(*PRUNE)) if prune else (lambda: "")
    made = trees.write_files(repository, repository.tree_of(base), {"deep/er/new.txt": b"new\n", "a": b"changed\n"})
    collect()
    oid = write_commit(repository, tree=made, parents=(repository.resolve(base),), message="step")
    collect()
    refs.update_ref(repository, REF, oid, expected=None, reason="test")
    return oid


def test_what_gc_takes_before_a_ref_points_at_it_is_restored_before_the_ref_moves(git: GitBuilder) -> None:
    base = git.commit({"a": "1\n", "deep/b": "2\n"})
    repository = Repository.discover(git.path)
    with keep_objects(repository):
        oid = make_step(git, repository, base, prune=True)
        git("fsck", "--strict")
        assert git("show", f"{oid}:deep/er/new.txt") == "new"
    assert not list((git.path / ".git/mimo/kept").iterdir())


def test_without_links_it_would_be_lost(git: GitBuilder) -> None:
    base = git.commit({"a": "1\n", "deep/b": "2\n"})
    with pytest.raises(MimoError):
        make_step(git, Repository.discover(git.path), base, prune=True)


def test_what_a_prune_takes_after_the_ref_moved_is_restored_when_it_has_ended(git: GitBuilder) -> None:
    """The prune that looked for refs before ours was there and removes after: played by removing by hand."""
    base = git.commit({"a": "1\n"})
    repository = Repository.discover(git.path)
    with keep_objects(repository):
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
    with keep_objects(repository):
        merged = merge_in_memory(repository, ours=repository.resolve(ours), theirs=repository.resolve(theirs))
        git(*PRUNE)
        made = write_commit(repository, tree=merged, parents=(repository.resolve(ours),), message="merge")
        refs.update_ref(repository, REF, made, expected=None, reason="test")
    git("fsck", "--strict")
    assert git("show", f"{made}:a").split() == ["0", *"1" * 9, "2"]


def test_what_a_killed_command_kept_is_restored_by_the_next_one(git: GitBuilder) -> None:
    base = git.commit({"a": "1\n"})
    code = (
        "import os, signal; from pathlib import Path; from gitmimo.git import refs, trees\n"
        "from gitmimo.git.commit import write_commit; from gitmimo.git.keep_objects import keep_objects\n"
        "from gitmimo.git.repository import Repository\n"
        f"r = Repository.discover(Path({str(git.path)!r})); base = r.resolve('HEAD')\n"
        "with keep_objects(r):\n"
        "    made = trees.write_files(r, r.tree_of(base), {'new.txt': b'new'})\n"
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
    assert restore_kept_objects(Repository.discover(git.path)) == 3
    git("fsck", "--strict")
    assert not list((git.path / ".git/mimo/kept").iterdir())


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="processes are found by /proc")
def test_a_running_gc_is_seen_here_and_neither_in_another_repository_nor_by_a_word_alone(
    git: GitBuilder, tmp_path: Path
) -> None:
    git.commit({"a": "1\n"})
    (git.path / "sub").mkdir()
    other = GitBuilder(tmp_path / "other")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    config = ("-c", f"include.path={pipe}")  # real git processes that wait for their configuration
    here, away, word = (
        subprocess.Popen(["git", *config, *words], cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for cwd, words in (
            (git.path / "sub", ("gc", "--quiet")),
            (other.path, ("gc", "--quiet")),
            (git.path, ("log", "gc")),
        )
    )
    repository = Repository.discover(git.path)
    limit = time.monotonic() + 10
    while not (found := running_gcs(repository)) and time.monotonic() < limit:
        time.sleep(0.01)
    for process in (here, away, word):
        process.kill()
        process.wait()
    assert found == {here.pid}


@pytest.mark.parametrize(
    ("words", "subcommand"),
    [
        (("gc", "--prune=now"), "gc"),
        (("-c", "gc.auto=0", "-C", "maintenance", "log", "gc"), "log"),
        (("--no-pager", "branch", "prune"), "branch"),
        (("--git-dir", "gc", "status"), "status"),
        ((), ""),
    ],
)
def test_the_subcommand_is_found_among_options_and_arguments(words: tuple[str, ...], subcommand: str) -> None:
    assert subcommand_of(words) == subcommand


def test_threads_that_keep_objects_at_once_end_it_together(git: GitBuilder) -> None:
    """The first to leave must not take the links away from the others."""
    base = git.commit({"a": "1\n"})
    repository = Repository.discover(git.path)
    inside, left = threading.Event(), threading.Event()

    def first() -> None:
        with keep_objects(repository):
            inside.set()
            left.wait(10)

    thread = threading.Thread(target=first)
    thread.start()
    inside.wait(10)
    with keep_objects(repository):
        left.set()
        thread.join()
        oid = make_step(git, repository, base, prune=True)
    git("fsck", "--strict")
    assert git("show", f"{oid}:a") == "changed"
    assert repository.keeper is None


def test_a_step_of_more_objects_than_a_few_hundred_survives_a_gc(git: GitBuilder) -> None:
    base = git.commit({"a": "1\n"})
    repository = Repository.discover(git.path)
    with keep_objects(repository):
        files: dict[str, bytes | None] = {f"d{number}/f": b"%d\n" % number for number in range(300)}
        made = trees.write_files(repository, repository.tree_of(base), files)
        git(*PRUNE)
        oid = write_commit(repository, tree=made, parents=(repository.resolve(base),), message="step")
        refs.update_ref(repository, REF, oid, expected=None, reason="test")
        git("fsck", "--strict")
