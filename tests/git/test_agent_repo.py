import shutil
import subprocess
from pathlib import Path

import pytest

from gitmimo.git import agent_repo
from gitmimo.git.agent_repo import fill_base_objects, make_agent_repo
from gitmimo.git.repository import Repository
from gitmimo.git.worktree import add_worktree
from gitmimo.ids import Oid
from tests.conftest import GitBuilder
from tests.git.test_untouched import fingerprint


class Sandbox:
    """A worktree in bubblewrap with the private repository bound over its `.git`."""

    def __init__(self, work_tree: Path, private: Path, pointer: Path) -> None:
        self.work_tree, self.private, self.pointer = work_tree, private, pointer

    def __call__(self, script: str) -> subprocess.CompletedProcess[str]:
        binds = ["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/home"]
        binds += ["--bind", str(self.work_tree), str(self.work_tree), "--bind", str(self.private), str(self.private)]
        binds += ["--ro-bind", str(self.pointer), str(self.work_tree / ".git")]
        return subprocess.run(
            ["bwrap", "--unshare-all", "--die-with-parent", "--cap-drop", "ALL", *binds]
            + ["--chdir", str(self.work_tree), "bash", "-c", script],
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": "/usr/bin:/bin", "HOME": "/home"},
        )


@pytest.fixture
def sandbox(repository: Repository, base: Oid, tmp_path: Path) -> Sandbox:
    work_tree, private = tmp_path / "state ü/w", tmp_path / "state ü/private"
    add_worktree(repository, work_tree, branch="mimo/s/1", start=base, reason="x")
    pointer = make_agent_repo(repository, private, base, work_tree=work_tree)
    made = Sandbox(work_tree, private, pointer)
    if shutil.which("bwrap") is None or made("true").returncode:
        pytest.skip("bubblewrap is not allowed here")
    return made


def test_an_agent_has_a_working_git_and_reaches_nothing_real(
    git: GitBuilder, repository: Repository, base: Oid, sandbox: Sandbox
) -> None:
    git.commit({"later.py": "1\n"}, "not for agents")
    git("branch", "mimo/s/2")
    before = fingerprint(git.path)
    script = """set -e
        git status --porcelain; git log --all --oneline --format=%s; git branch --show-current
        echo 'x = 2' >a.py; git diff --stat | tail -1
        git switch --quiet -c try; git commit --quiet -am mine; git log -1 --format='%an %s'
        git stash list; git tag t; git config user.name other; git gc --quiet; git fsck --no-dangling
        ! git rev-parse --verify --quiet mimo/s/2 && ! git rev-parse --verify --quiet origin/main
        rm -f .git 2>/dev/null && exit 1 || mv .git x 2>/dev/null && exit 1 || echo pinned"""
    done = sandbox(script)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "base",
        "work",
        " 1 file changed, 1 insertion(+), 1 deletion(-)",
        "Ada Author mine",
        "pinned",
    ]
    assert fingerprint(git.path) == before
    assert git("branch", "--list", "try") == ""


def test_the_real_git_directory_cannot_be_written(git: GitBuilder, sandbox: Sandbox) -> None:
    done = sandbox(f"touch '{git.path}/.git/hooks/pre-commit' || git --git-dir='{git.path}/.git' branch evil")
    assert done.returncode != 0
    assert git("branch", "--list", "evil") == ""


def test_a_shallow_base_works_inside(git: GitBuilder, base: Oid, tmp_path: Path) -> None:
    git.commit({"a.py": "x = 2\n"}, "second")
    git("clone", "--quiet", "--depth=1", f"file://{git.path}", str(tmp_path / "shallow"))
    repository = Repository.discover(tmp_path / "shallow")
    head = repository.resolve("HEAD")
    add_worktree(repository, tmp_path / "w", branch="mimo/s/1", start=head, reason="x")
    make_agent_repo(repository, tmp_path / "private", head, work_tree=tmp_path / "w")
    done = subprocess.run(
        ["git", f"--git-dir={tmp_path / 'private'}", "log", "--format=%s"], capture_output=True, text=True, check=True
    )
    assert done.stdout == "second\n"


def test_an_odd_identity_and_path_survive_the_configuration(
    git: GitBuilder, base: Oid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_AUTHOR_NAME", 'Q "uote" \\ #x')
    repository = Repository.discover(git.path)
    work_tree = tmp_path / 'w "x" #;\\'
    add_worktree(repository, work_tree, branch="mimo/s/1", start=base, reason="x")
    private = tmp_path / "private"
    make_agent_repo(repository, private, base, work_tree=work_tree)
    monkeypatch.delenv("GIT_AUTHOR_NAME")
    config = ["git", "config", "--file", str(private / "config")]
    read = [
        subprocess.run([*config, key], capture_output=True, text=True, check=True).stdout[:-1]
        for key in ("user.name", "core.worktree")
    ]
    assert read == ['Q "uote" \\ #x', str(work_tree)]


def test_making_it_again_starts_from_nothing(repository: Repository, base: Oid, tmp_path: Path) -> None:
    add_worktree(repository, tmp_path / "w", branch="mimo/s/1", start=base, reason="x")
    private = tmp_path / "private"
    make_agent_repo(repository, private, base, work_tree=tmp_path / "w")
    (private / "hooks").mkdir()
    (private / "hooks/post-checkout").write_text("evil")
    make_agent_repo(repository, private, base, work_tree=tmp_path / "w")
    assert not (private / "hooks").exists()


def objects_seen(private: Path) -> set[str]:
    """Every object that a brute-force listing in the agent's repository shows."""
    listed = subprocess.run(
        ["git", f"--git-dir={private}", "cat-file", "--batch-all-objects", "--batch-check=%(objectname)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(listed.stdout.split())


def reached(git: GitBuilder, rev: str) -> set[str]:
    return {line.split()[0] for line in git("rev-list", "--objects", rev).splitlines()}


def test_an_agent_sees_what_the_base_reaches_and_nothing_else(
    git: GitBuilder, repository: Repository, base: Oid, tmp_path: Path
) -> None:
    git.commit({"secret.py": "on another branch\n"}, "later")
    dangling = git("hash-object", "-w", "--stdin", stdin=b"dangling")
    add_worktree(repository, tmp_path / "w", branch="mimo/s/1", start=base, reason="x")
    make_agent_repo(repository, tmp_path / "private", base, work_tree=tmp_path / "w")
    seen = objects_seen(tmp_path / "private")
    assert seen == reached(git, base)
    assert dangling not in seen


def test_the_store_of_a_later_base_shares_the_packs_of_an_earlier_one(
    git: GitBuilder, repository: Repository, base: Oid
) -> None:
    first = fill_base_objects(repository, base)
    later = Oid(git.commit({"a.py": "x = 2\n"}, "later"))
    git("switch", "--quiet", "--create", "side", base)
    side = Oid(git.commit({"b.py": "side\n"}, "side"))
    second = fill_base_objects(repository, later)
    old, new = ({path.stat().st_ino for path in (store / "pack").glob("*.pack")} for store in (first, second))
    assert old < new
    third = fill_base_objects(repository, side)
    private = repository.state_dir / "private"
    for store, tip in ((second, later), (third, side)):
        make_agent_repo(repository, private, tip, work_tree=git.path)
        assert (private / "objects/info/alternates").read_text() == f"{store}\n"
        assert objects_seen(private) == reached(git, tip)


def test_of_a_large_repository_the_latest_history_comes_in(
    git: GitBuilder, repository: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for number in range(5):
        tip = Oid(git.commit({"n": f"{number}\n"}, f"commit {number}"))
    git("gc", "--quiet")
    monkeypatch.setattr(agent_repo, "_LARGE_BYTES", 1)
    monkeypatch.setattr(agent_repo, "_LATEST", 2)
    make_agent_repo(repository, tmp_path / "private", tip, work_tree=git.path)
    log = ["git", f"--git-dir={tmp_path / 'private'}", "log", "--format=%s"]
    said = subprocess.run(log, capture_output=True, text=True, check=True)
    assert said.stdout.splitlines() == ["commit 4", "commit 3"]
