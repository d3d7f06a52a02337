"""Large repositories: worktrees, step commits, fresh trees and whole sessions beside what git itself takes.

    python -m benchmarks.large --files 50000 --history-mb 0 --in DIR
    python -m benchmarks.large --files 50000 --history-mb 1024 --in DIR
    python -m benchmarks.large --files 200000 --worktrees 2 --in DIR

Builds the repository by `git fast-import` below DIR (kept and used again with --keep), measures each row in turn with
git's own command for the same thing, and prints a table. Nothing is written anywhere else.
"""

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from gitmimo import ids
from gitmimo.evaluator.product import inspect_product
from gitmimo.evaluator.testbed import TestBed, fresh_tree, layout_of
from gitmimo.evaluator.testcommand import ReportFormat, TestCommand
from gitmimo.evaluator.tested_tree import build_tested_tree
from gitmimo.git import refs
from gitmimo.git.repository import Repository
from gitmimo.git.trees import without_mimo
from gitmimo.ids import Oid, SessionId, utc_now
from gitmimo.records import Action, ActionKind, Observation, Reply, Step, Usage
from gitmimo.sandbox.base import Limits
from gitmimo.sandbox.probe import open_sandbox
from gitmimo.workflow.candidates import StepRecorder
from gitmimo.workflow.worktrees import CandidatePaths, prepare_worktree, remove_candidate
from tests.scripted_server import Answer, ScriptedServer

ROOT = Path(__file__).resolve().parent.parent
WORDS = [f"word{n:04d}" for n in range(4000)]
A_DIRECTORY = 20  # files in each
LINES = 40
SESSION = SessionId("0large0000")
CALC = '"""Sums."""\n\n\ndef add(a, b):\n    """Return the sum."""\n    return a - b\n'
PROJECT = {
    "calc.py": CALC,
    "test_calc.py": "from calc import add\n\n\ndef test_sum():\n    assert add(2, 3) == 5\n",
    "pyproject.toml": '[tool.pytest.ini_options]\ntestpaths = ["test_calc.py"]\npythonpath = ["."]\n',
    ".gitignore": "build/\n*.o\n/local/**/cache\n",
}


def git(place: Path, *args: str) -> str:
    done = subprocess.run(["git", "-C", str(place), *args], capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(f"git {' '.join(args)}: {done.stderr}")
    return done.stdout.strip()


def build(place: Path, files: int, history_mb: int) -> None:
    """A repository of that many files on `main`; the history changes binary assets until it is that large."""
    place.mkdir(parents=True)
    git(place, "init", "-q", "-b", "main")
    for name, value in (("user.name", "Ada"), ("user.email", "ada@example.org"), ("gc.auto", "0")):
        git(place, "config", name, value)
    with subprocess.Popen(["git", "-C", str(place), "fast-import", "--quiet"], stdin=subprocess.PIPE) as importer:
        assert importer.stdin is not None
        for part in _stream(files, history_mb):
            importer.stdin.write(part)
        importer.stdin.close()
    assert importer.returncode == 0
    git(place, "reset", "-q", "--hard", "main")


def _stream(files: int, history_mb: int) -> Iterator[bytes]:
    draw = random.Random(files)
    yield _commit(1, "the files")
    for name, text in PROJECT.items():
        yield _file(name, text.encode())
    for number in range(files - len(PROJECT)):
        group = number // A_DIRECTORY
        kind = ("py", "c", "md", "json")[number % 4]
        lines = (" ".join(draw.choices(WORDS, k=6)) for _ in range(LINES))
        yield _file(f"part{group % 50:02d}/unit{group:05d}/file{number}.{kind}", "\n".join(lines).encode())
    for number in range(history_mb * 4):  # 256 KiB a commit that nothing compresses
        yield _commit(number + 2, f"change {number}")
        yield _file(f"assets/{number % 8}.bin", draw.randbytes(256 * 1024))
        yield _file(f"notes/{number % 500}.md", f"change {number}\n".encode() * 50)


def _commit(number: int, message: str) -> bytes:
    who = f"Ada <ada@example.org> {1_700_000_000 + number} +0000"
    return f"commit refs/heads/main\ncommitter {who}\ndata {len(message)}\n{message}\n".encode()


def _file(name: str, data: bytes) -> bytes:
    return b"M 100644 inline %s\ndata %d\n%s\n" % (name.encode(), len(data), data)


class Table:
    """Prints a row as soon as it is measured."""

    def __init__(self) -> None:
        print("| what | git-mimo (s) | git (s) | ratio |\n|---|---|---|---|", flush=True)

    def row(self, what: str, ours: float, theirs: float | None = None, theirs_name: str = "") -> None:
        beside = f"{theirs:.2f} {theirs_name}" if theirs is not None else "-"
        ratio = f"{ours / theirs:.2f}" if theirs else "-"
        print(f"| {what} | {ours:.2f} | {beside} | {ratio} |", flush=True)


def took(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def measure(place: Path, scratch: Path, worktrees: int, rounds: int) -> None:
    table = Table()
    base = Oid(git(place, "rev-parse", "main"))
    _measure_worktrees(table, place, scratch, base, worktrees, rounds)
    repository = Repository.discover(place)
    spot = _place(scratch / "steps", base, 1)
    prepare_worktree(repository, spot)
    try:
        _measure_steps(table, repository, spot, rounds)
        _measure_judging(table, repository, spot, scratch / "bench", base, rounds)
    finally:
        remove_candidate(repository, spot)
    _measure_commands(table, place, rounds)


def _measure_worktrees(table: Table, place: Path, scratch: Path, base: Oid, count: int, rounds: int) -> None:
    """All of a session's worktrees, made by threads as a session does, beside one plain `git worktree add` each."""
    ours, plain = [], []
    for turn in range(rounds):
        theirs = [scratch / f"plain{turn}.{number}" for number in range(count)]
        plain.append(took(lambda: [git(place, "worktree", "add", "-q", "--detach", str(path)) for path in theirs]))  # noqa: B023
        for path in theirs:
            git(place, "worktree", "remove", "--force", str(path))
        repository = Repository.discover(place)
        spots = [_place(scratch / f"ours{turn}", base, number) for number in range(1, count + 1)]

        def make(spot: CandidatePaths) -> None:
            prepare_worktree(repository, spot)  # noqa: B023

        with ThreadPoolExecutor(count) as pool:
            ours.append(took(lambda: list(pool.map(make, spots))))  # noqa: B023
        for spot in spots:
            remove_candidate(repository, spot)
            git(place, "update-ref", "-d", spot.branch)
    table.row(
        f"{count} worktrees ready", statistics.median(ours), statistics.median(plain), f"{count} × `worktree add`"
    )


def _place(directory: Path, base: Oid, number: int) -> CandidatePaths:
    branch = ids.branch_ref(ids.candidate_branch(SESSION, number, prefix="mimo"))
    return CandidatePaths(session=SESSION, number=number, base=base, branch=branch, directory=directory)


def _measure_steps(table: Table, repository: Repository, spot: CandidatePaths, rounds: int) -> None:
    recorder = StepRecorder(repository, spot, {})
    first = took(lambda: recorder(_step(1)))
    time.sleep(3)  # files that were just written are read again, in git too
    git(spot.worktree, "status")
    recorder(_step(2))
    steps, states = [], []
    for number in range(3, 3 + 3 * rounds):
        changed = spot.worktree / f"part00/unit00000/file{number % A_DIRECTORY}.md"
        changed.write_text(f"step {number}\n")
        states.append(took(lambda: git(spot.worktree, "status", "--porcelain")))
        steps.append(took(lambda: recorder(_step(number))))  # noqa: B023
    table.row("a candidate's first step", first)
    table.row("a step commit", statistics.median(steps), statistics.median(states), "`git status`")


def _step(number: int) -> Step:
    return Step(
        number=number,
        reply=Reply(text="next", usage=Usage(prompt=1000, completion=20)),
        actions=(Action(kind=ActionKind.SHELL, text="make"),),
        observations=(Observation(text="done", exit_code=0),),
        started=utc_now(),
    )


def _measure_judging(
    table: Table, repository: Repository, spot: CandidatePaths, scratch: Path, base: Oid, rounds: int
) -> None:
    """What the evaluator does for a product besides running the tests."""
    testbed = TestBed(
        repository=repository,
        sandbox=open_sandbox("none"),
        base=base,
        scratch=scratch,
        tests=TestCommand(command="true", report=ReportFormat.NONE, reason=""),
        limits=Limits(),
    )
    base_tree = without_mimo(repository, repository.tree_of(base))
    product = without_mimo(repository, refs.read_ref(repository, spot.branch) or base)
    found = inspect_product(repository, base_tree, product)

    def write_fresh() -> None:
        with fresh_tree(testbed, product):
            fresh.append(time.perf_counter() - began)

    fresh: list[float] = []
    whole = []
    for _ in range(rounds):
        began = time.perf_counter()
        whole.append(took(write_fresh))
    table.row("a fresh tree to test in", statistics.median(fresh))
    table.row("the same, removal included", statistics.median(whole))
    table.row(
        "diff facts and product gate",
        statistics.median(took(lambda: inspect_product(repository, base_tree, product)) for _ in range(rounds)),
        statistics.median(
            took(lambda: git(repository.common_dir, "diff", "--stat", base_tree, product)) for _ in range(rounds)
        ),
        "`git diff --stat`",
    )
    table.row(
        "protected paths put back",
        statistics.median(took(lambda: build_tested_tree(testbed, product, found.diff)) for _ in range(rounds)),
    )
    table.row(
        "layout of the packages", statistics.median(took(lambda: layout_of(testbed, product)) for _ in range(rounds))
    )


def _measure_commands(table: Table, place: Path, rounds: int) -> None:
    """A whole session against a scripted server, then what a person types."""
    environment = dict(os.environ) | {"PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(place.parent / "state")}

    def mimo(*words: str) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "gitmimo", *words],
            cwd=place,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise AssertionError(f"git mimo {' '.join(words)}: {done.stderr}")

    right = CALC.replace("a - b", "a + b")
    calls = (
        ("write", json.dumps({"path": "calc.py", "content": right})),
        ("finish", json.dumps({"summary": "plus"})),
    )
    with ScriptedServer({"*": [Answer(tool_calls=calls, repeat=True)]}) as server:
        environment |= {
            "OPENAI_API_BASE": server.base_url,
            "OPENAI_API_KEY": "sk-test",
            "GIT_MIMO_MAX_TOKENS": "10000000",
        }
        task = ("--task", "add returns the difference; mend it", "--model", "openai/m", "--critic", "none")
        table.row("`start -n 1`, whole session", took(lambda: mimo("start", *task, "-n", "1")))
        table.row("`start -n 4 --fanout all`", took(lambda: mimo("start", *task, "-n", "4", "--fanout", "all")))
    for words in (("status",), ("list",), ("show",), ("diff",), ("gc",)):
        table.row(f"`git mimo {' '.join(words)}`", statistics.median(took(lambda: mimo(*words)) for _ in range(rounds)))  # noqa: B023


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=50_000)
    parser.add_argument("--history-mb", type=int, default=0)
    parser.add_argument("--worktrees", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--in", dest="directory", type=Path, required=True)
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    home = options.directory / f"large-{options.files}-{options.history_mb}"
    place = home / "repo"
    if not place.exists():
        seconds = took(lambda: build(place, options.files, options.history_mb))
        print(f"built in {seconds:.0f} s", file=sys.stderr)
    shutil.rmtree(home / "scratch", ignore_errors=True)
    size = sum(file.stat().st_size for file in (place / ".git").rglob("*.pack")) / 2**20
    commits = git(place, "rev-list", "--count", "main")
    print(f"\n{options.files:,} files, {commits} commits, {size:,.0f} MiB packed, {os.cpu_count()} cores\n")
    try:
        measure(place, home / "scratch", options.worktrees, options.rounds)
    finally:
        shutil.rmtree(home if not options.keep else home / "scratch", ignore_errors=True)


if __name__ == "__main__":
    main()
