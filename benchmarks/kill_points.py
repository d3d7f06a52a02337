"""Kills git-mimo, or fails it, at system calls that change something, goes on, and looks at what is left.

`python -m benchmarks.kill_points [--command C] [--fault kill|enospc|eio] [--step N]` prints a JSON line with the counts
and reports on stderr what isn't as it should be. For `merge`, strace injects the fault into the
`git merge` and its children, or into the process that started it; for the others see `killed_commands`.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.killed_commands import FAULTS, GO_ON, run_command
from gitmimo.evidence import Evidence, Gate, Outcome
from gitmimo.git.repository import Repository
from gitmimo.ids import Oid, SessionId, SessionStatus
from gitmimo.journal import Journal
from gitmimo.records import SessionResult
from gitmimo.workflow.merge import merge_result, repair_interrupted_merge

SESSION = "0000000001"
_CALLS = "openat,write,pwrite64,rename,renameat,renameat2,unlink,unlinkat,link,linkat,mkdir,mkdirat,rmdir,symlink,fsync"
_FULL_DISK = "openat,write,pwrite64,mkdir,mkdirat,symlink,link,linkat,fsync"  # a removal never lacks space
_WRITES = "write,pwrite64,rename,renameat2,unlink,link,mkdir,fsync,fdatasync,ftruncate,clone,vfork"
_FAILING_WRITES = "write,pwrite64,rename,renameat2,link,mkdir,fsync,fdatasync,ftruncate"
_INJECTED = {"kill": "signal=KILL", "enospc": "error=ENOSPC", "eio": "error=EIO"}
_WRAPPER = """#!/bin/bash
case " $* " in *" merge --no-edit "*) ;; *) exec {git} "$@";; esac
strace -f -qq -o /dev/null -e trace={calls} -e inject={calls}:{fault}:when={k} {git} "$@"
code=$?
[ $code -lt 128 ] || [ {fatal} = 0 ] || kill -9 $PPID
exit $code
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One death: in `git` or in `python`, at the k-th call; `fault` is what strace injects."""

    fast_forward: bool
    where: str
    k: int
    fault: str = "signal=KILL"


def git(where: Path, *args: str) -> str:
    """Run git and return what it said."""
    done = subprocess.run(["git", "-C", str(where), *args], capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(f"git {' '.join(args)}: {done.stderr}")
    return done.stdout.strip()


def make_project(directory: Path, *, fast_forward: bool) -> tuple[Path, str, str]:
    """A repository on `main` with a branch `result` to merge; returns it, the tip, and the tree after the merge."""
    place = directory / "repo"
    place.mkdir(parents=True)
    git(place, "init", "-q", "-b", "main")
    for name, value in (("user.name", "Ada"), ("user.email", "ada@example.org"), ("gc.auto", "0")):
        git(place, "config", name, value)
    files = {f"src/file{number}.txt": f"line {number}\n" * 50 for number in range(4)} | {"big.txt": "x" * 300_000}
    for name, text in files.items():
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_text(text)
    git(place, "add", "-A")
    git(place, "commit", "-qm", "base")
    git(place, "switch", "-qc", "result")
    (place / "src/file0.txt").write_text("changed\n")
    (place / "big.txt").write_text("y" * 300_000)
    (place / "src/file1.txt").unlink()
    (place / "new").mkdir()
    (place / "new/file.txt").write_text("new\n")
    git(place, "add", "-A")
    git(place, "commit", "-qm", "result")
    tip = git(place, "rev-parse", "HEAD")
    git(place, "switch", "-q", "main")
    if not fast_forward:
        (place / "src/file3.txt").write_text("meanwhile\n")
        git(place, "commit", "-qam", "meanwhile")
    (place / "untracked.txt").write_text("the user's\n")
    tree = git(place, "merge-tree", "--write-tree", "main", "result").split()[0]
    return place, tip, tree


def merge(place: Path, tip: str) -> None:
    """What `git mimo merge` does once it knows what to merge."""
    repository = Repository.discover(place)
    journal = Journal(repository.state_dir / "sessions" / SESSION / "journal.jsonl")
    repair_interrupted_merge(repository, journal.path)
    result = SessionResult(
        session=SessionId(SESSION), status=SessionStatus.PASSED, task="the result", base=Oid(tip), target_branch="main"
    )
    landing = merge_result(repository, result, Oid(tip), "main", recheck=_passing, journal=journal)
    journal.done("merged", commit=landing.commit)
    journal.close()


def _passing(tree: Oid) -> Evidence:
    return Evidence(tree=tree, tested_tree=tree, base=tree, gates=(Gate(name="tests", outcome=Outcome.PASS),))


def try_point(made: tuple[Path, str, str], directory: Path, point: Point) -> bool:
    """Die at one point of a copy, go on, and check; returns whether it came to that point at all."""
    original, tip, tree = made
    place = directory / "copy"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(original, place, symlinks=True)
    git(place, "update-index", "--refresh")
    old = git(place, "rev-parse", "main")
    code = _die(place, tip, directory / "bin", point)
    now = git(place, "rev-parse", "main")
    state = f"{point}: "
    assert now == old or git(place, "rev-parse", "main^{tree}") == tree, state + "a branch between old and new"
    merge(place, tip)
    assert git(place, "rev-parse", "main^{tree}") == tree, state + "another tree"
    assert git(place, "status", "--porcelain") == "?? untracked.txt", state + git(place, "status", "--porcelain")
    git(place, "fsck", "--strict")
    left = [
        path.name for path in (place / ".git").rglob("*.lock") if path.name in ("index.lock", "HEAD.lock", "main.lock")
    ]
    assert not left, state + f"locks are left: {left}"
    assert not (place / ".git/MERGE_HEAD").exists(), state + "a merge is unfinished"
    return code != 0


def _die(place: Path, tip: str, bin_directory: Path, point: Point) -> int:
    command = [sys.executable, "-m", "benchmarks.kill_points", "--merge", str(place), tip]
    real = shutil.which("git")
    bin_directory.mkdir(exist_ok=True)
    wrapper = bin_directory / "git"
    path = f"{bin_directory}:/usr/bin:/bin"
    if point.where == "git":
        calls = _CALLS if "KILL" in point.fault else _FULL_DISK
        wrapper.write_text(
            _WRAPPER.format(git=real, calls=calls, fault=point.fault, k=point.k, fatal=int("KILL" in point.fault))
        )
        wrapper.chmod(0o755)
    else:
        wrapper.unlink(missing_ok=True)
        calls = _WRITES if "KILL" in point.fault else _FAILING_WRITES
        inject = f"inject={calls}:{point.fault}:when={point.k}"
        command = ["strace", "-qq", "-o", "/dev/null", "-e", f"trace={calls}", "-e", inject, *command]
    root = str(Path(__file__).parent.parent)
    env = {"PATH": path, "PYTHONPATH": root, "HOME": str(bin_directory), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, env=env, cwd=root, capture_output=True, check=False).returncode


def points(*, fast_forward: bool, where: str, step: int, fault: str = "signal=KILL") -> Iterator[Point]:
    """Points without end, `step` apart."""
    k = 1
    while True:
        yield Point(fast_forward=fast_forward, where=where, k=k, fault=fault)
        k += step


def run_merges(directory: Path, *, step: int, faults: Sequence[str], most: int = 10_000) -> dict[str, int]:
    """Try points of every kind of merge until one is past the end; returns how many deaths each kind had."""
    counts: dict[str, int] = {}
    for fast_forward in (True, False):
        kind = "fast-forward" if fast_forward else "merge"
        made = make_project(directory / kind, fast_forward=fast_forward)
        for where, fault in (*(("git", fault) for fault in faults), *(("python", fault) for fault in faults)):
            name = f"{kind}, {where}, {fault}"
            counts[name] = 0
            missed = 0
            for point in points(fast_forward=fast_forward, where=where, step=step, fault=_INJECTED[fault]):
                reached = try_point(made, directory, point)
                counts[name] += reached
                missed = 0 if reached else missed + 1
                if missed > 2 and (fault == "kill" or point.k > 150) or point.k > most:
                    break
    return counts


def main() -> None:
    """Run the points, or be the process that is to die."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--command", choices=["merge", *GO_ON], action="append", help="default: all")
    parser.add_argument("--fault", choices=list(FAULTS), action="append", help="default: all")
    parser.add_argument("--step", type=int, default=1, help="try every STEP-th call")
    parser.add_argument("--from", dest="first", type=int, default=1, help="begin with this call")
    parser.add_argument("--most", type=int, default=10_000, help="the last call to try")
    parser.add_argument("--merge", nargs=2, metavar=("REPO", "TIP"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.merge:
        merge(Path(given.merge[0]), given.merge[1])
        return
    faults = given.fault or list(FAULTS)
    counts: dict[str, int] = {}
    with tempfile.TemporaryDirectory(prefix="kill-points-") as name:
        directory = Path(name)
        for command in given.command or ["merge", *GO_ON]:
            if command == "merge":
                counts |= run_merges(directory, step=given.step, faults=faults, most=given.most)
            else:
                ks = range(given.first, given.most + 1, given.step)
                found = run_command(command, directory, faults=faults, ks=ks)
                counts |= {**found, "wrong": counts.get("wrong", 0) + found.get("wrong", 0)}
    wrong = counts.pop("wrong", 0)
    sys.stdout.write(json.dumps({"points": sum(counts.values()), "wrong": wrong, **counts}) + "\n")
    sys.exit(int(wrong > 0))


if __name__ == "__main__":
    main()
