"""What `git mimo status` costs in a repository with many sessions, beside `git status` and the start of click.

    python -m benchmarks.status [--sessions 200] [--runs 11]

Each session's journal has 28 lines, as one with two candidates of ten steps leaves it. The commands take turns, so that
a busy moment meets all of them.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gitmimo.evidence import Evidence, Gate, Outcome, RankedCandidate, Verdict
from gitmimo.ids import Oid, SessionId, SessionStatus
from gitmimo.journal import Journal
from gitmimo.records import CandidateResult, SessionResult, Usage

_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
_STEPS = 10
_BEGAN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def main() -> None:
    """Build the repository, measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=200)
    parser.add_argument("--runs", type=int, default=11)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mimo-bench-") as name:
        repository = _repository(Path(name))
        for number in range(options.sessions):
            _write_session(repository / ".git" / "mimo" / "sessions", number)
        mimo = [sys.executable, "-m", "gitmimo"]
        rows = {
            "git status": ["git", "status"],
            'python -c "import click"': [sys.executable, "-c", "import click"],
            "git mimo --version": [*mimo, "--version"],
            "git mimo status": [*mimo, "status"],
            "git mimo list": [*mimo, "list"],
        }
        seconds = _measure(rows, repository, options.runs)
    print(f"{options.sessions} sessions, median of {options.runs} in turn\n")
    print("| command | ms | times `git status` |\n|---|---|---|")
    for row, found in seconds.items():
        print(f"| `{row}` | {found * 1000:.1f} | {found / seconds['git status']:.1f} |")


def _measure(rows: dict[str, list[str]], repository: Path, runs: int) -> dict[str, float]:
    seconds: dict[str, list[float]] = {row: [] for row in rows}
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    for number in range(runs + 1):  # the first reads programs from the disk
        for row, command in rows.items():
            began = time.perf_counter()
            subprocess.run(command, cwd=repository, env=environment, check=True, capture_output=True)
            if number:
                seconds[row].append(time.perf_counter() - began)
    return {row: statistics.median(found) for row, found in seconds.items()}


def _repository(scratch: Path) -> Path:
    path = scratch / "repo"
    path.mkdir()
    (path / "calc.py").write_text("def add(a, b):\n    return a - b\n")
    git = ["git", "-C", str(path), "-c", "user.name=B", "-c", "user.email=b@example.org"]
    for command in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-qm", "base"]):
        subprocess.run([*git, *command], check=True)
    return path


def _write_session(directory: Path, number: int) -> None:
    """Write the journal of one session, line by line as `start` does."""
    session = SessionId("000000" + "".join(_DIGITS[number >> shift & 31] for shift in (15, 10, 5, 0)))
    journal = Journal(directory / session / "journal.jsonl")
    candidates = tuple(_candidate(session, n) for n in (1, 2))
    opening = SessionResult(
        session=session,
        status=SessionStatus.PASSED,
        task=f"Mend the addition, as session {number} was asked to",
        base=Oid("1" * 40),
        target_branch="main",
        started=_BEGAN + timedelta(hours=number),
    )
    journal.intend("session", task=opening.task, base=opening.base, target_branch="main", started=opening.started)
    for candidate in candidates:
        journal.intend("worktree", candidate=candidate.number, path="/somewhere", branch=candidate.branch)
        for step in range(1, _STEPS + 1):
            journal.done("step", candidate=candidate.number, step=step, commit="2" * 40)
        journal.done("candidate", result=candidate)
    closed = SessionResult(
        **{name: getattr(opening, name) for name in ("session", "status", "task", "base", "target_branch", "started")},
        candidates=candidates,
        verdict=Verdict(
            winner=1,
            ranking=tuple(RankedCandidate(number=n, rank=n, passed=n == 1, votes=1, reason="tests") for n in (1, 2)),
            reason="candidate 1 passed every gate",
        ),
        result_branch=f"mimo/mend-{session}",
        seconds=92.0,
    )
    for event in ("decided", "landed", "session"):
        journal.done(event, result=closed)
    journal.close()
    lines = (directory / session / "journal.jsonl").read_text().splitlines()
    assert len(lines) == 28 and json.loads(lines[-1].partition(" ")[2])["done"]  # noqa: PT018, S101


def _candidate(session: SessionId, number: int) -> CandidateResult:
    return CandidateResult(
        number=number,
        branch=f"mimo/{session}/{number}",
        approach="Mend the function itself.",
        model="openai/some-model",
        strategy="shell",
        status="finished",
        commit=Oid("2" * 40),
        tree=Oid("3" * 40),
        steps=_STEPS,
        usage=Usage(prompt=12_000, completion=900),
        cost_usd=0.0021,
        evidence=Evidence(
            tree=Oid("3" * 40),
            tested_tree=Oid("3" * 40),
            base=Oid("1" * 40),
            gates=tuple(Gate(name=name, outcome=Outcome.PASS) for name in ("product", "base_suite", "accept")),
            tests_passed=12,
            tests_run=12,
        ),
    )


if __name__ == "__main__":
    main()
