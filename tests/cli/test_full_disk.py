"""A real disk that is full: a small one of our own, mounted where only the command sees it."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import CHECK, GitBuilder
from tests.project import PROJECT, RIGHT, Said, fingerprint, mimo, writes
from tests.scripted_server import ScriptedServer

ROOT = Path(__file__).parent.parent.parent
START = ("start", "--task", "add returns the difference instead of the sum; mend it", "--model", "openai/m")
SPACE = ("unshare", "--map-root-user", "--mount", "sh", "-c")


def can_mount(directory: Path) -> bool:
    try:
        done = subprocess.run([*SPACE, f"mount -t tmpfs -o size=1m none {shlex.quote(str(directory))}"],
                              capture_output=True, check=False)  # fmt: skip
    except FileNotFoundError:
        return False
    return done.returncode == 0


@pytest.fixture
def project(git: GitBuilder, scripted_model: ScriptedServer, tmp_path: Path) -> GitBuilder:
    (tmp_path / "small").mkdir()
    if not can_mount(tmp_path / "small"):
        pytest.skip("no small disk can be mounted here")
    scripted_model.scripts["m"] = lambda request: writes({"calc.py": RIGHT})
    git.commit({**PROJECT, "data.bin": os.urandom(3 << 20)}, "calc: sums")
    git.write({"calc.py": PROJECT["calc.py"] + "# half done\n", "staged.txt": "s\n"})
    git("add", "staged.txt")
    return git


def on_small_disk(project: GitBuilder, *words: str, disk: Path, size: str, before: str = "true") -> tuple[Said, str]:
    """Run the command line with a disk of this size mounted; say what it said, and what it left there."""
    command = shlex.join([sys.executable, "-m", "gitmimo", *words])
    script = f"mount -t tmpfs -o size={size} none {shlex.quote(str(disk))} && {before} && {command}; code=$?; "
    listed = disk.parent / "left.txt"
    script += f"find {shlex.quote(str(disk))} -type f >{shlex.quote(str(listed))}; exit $code"
    done = subprocess.run(
        [*SPACE, script], cwd=project.path, env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip
    return Said(code=done.returncode, out=done.stdout, err=done.stderr), listed.read_text()


def test_no_room_for_worktrees_is_told_and_nothing_is_left(project: GitBuilder, tmp_path: Path) -> None:
    measure = fingerprint(project)
    before = measure()
    small = Path(os.environ["XDG_STATE_HOME"]) / "git-mimo"
    small.mkdir(parents=True)
    said, left = on_small_disk(project, *START, "--test", CHECK, "-n", "2", "--json", disk=small, size="2m")
    assert said.code == 128, said.err + said.out
    assert "cannot make the worktree" in said.err or "No space left on device" in said.err
    assert "hint: free some space" in said.err
    assert "Traceback" not in said.err
    assert left == ""
    assert measure() == before
    assert project("worktree", "list").count("\n") == 0
    project("fsck", "--strict")
    # with room again it goes on to its end
    went_on = mimo("resume", "--json", cwd=project.path)
    assert went_on.code == 0, went_on.err
    assert went_on.json["winner"] == 1
    assert measure() == before


def test_no_room_in_the_repository_is_told_and_costs_the_user_nothing(project: GitBuilder, tmp_path: Path) -> None:
    """Objects, refs and the journal have no room: everything of git-mimo's lies on the full disk."""
    measure = fingerprint(project)
    before = measure()
    mine = tmp_path / "full"
    mine.mkdir()
    objects = project.path / ".git/objects"
    copied = f"cp -r {shlex.quote(str(objects))}/. {shlex.quote(str(mine))}"
    full = f"{copied} && mount --bind {shlex.quote(str(mine))} {shlex.quote(str(objects))}"
    fill = f"{full} && dd if=/dev/zero of={shlex.quote(str(mine))}/fill bs=1k 2>/dev/null; true"
    said, _ = on_small_disk(
        project, *START, "--test", CHECK, "-n", "1", "--json", disk=mine, size="8m", before=f"({fill})"
    )
    assert said.code in (1, 128), said.err + said.out
    message = said.err if said.code == 128 else json.loads(said.out)["message"]
    reasons = ("No space left on device", "Out of diskspace", "cannot write")  # the kernel's words, git's, ours
    assert any(reason in message for reason in reasons), message
    assert "Traceback" not in said.err
    assert measure() == before
    project("fsck", "--strict")
    assert project("worktree", "list").count("\n") == 0
