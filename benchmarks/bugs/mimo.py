"""The git-mimo row: `git mimo start` as a user runs it, one session a task."""

import json
import subprocess
import sys
from pathlib import Path

import gitmimo
from benchmarks.bugs.rows import Attempt, Bench, Outcome, run_command
from benchmarks.bugs.server import MODEL
from benchmarks.bugs.tasks import TEST_COMMAND, Bug, judge

_SOURCES = {"PYTHONPATH": str(Path(gitmimo.__file__).parents[1])}  # when run from a checkout


def mimo(bug: Bug, bench: Bench) -> Outcome:
    """Candidates take turns and don't know each other, and the first whose result is settled ends the session.

    So a session of 8 also says what one of 1 or 3 would have done: the same candidates, in the same order. What the
    session does besides (measuring the base, the result branch) is counted to its first candidate.
    """
    directory = bench.fresh(bug, "mimo")
    command = [
        sys.executable, "-m", "gitmimo", "start", "--task", bug.text, "-n", str(bench.caps.candidates),
        "--test", TEST_COMMAND, "--model", f"openai/{MODEL}", "--base-url", bench.server.base_url,
        "--critic", "none", "--json", "--max-tokens", "1000000", "--timeout", str(bench.caps.seconds),
    ]  # fmt: skip
    before = bench.server.tokens()
    seconds, log, peak_mb = run_command(command, directory, bench, limit_s=bench.caps.seconds + 60, env=_SOURCES)
    (bench.scratch / f"mimo-{bug.name}.log").write_text(log)
    used = bench.server.tokens() - before
    try:
        told = json.loads(log[log.index("{") : log.rindex("}") + 1])
    except ValueError:
        failed = Attempt(
            visible=False, hidden=False, seconds=seconds, read=used.read, written=used.written, note=log.strip()[-200:]
        )
        return Outcome(row="mimo", task=bug.name, attempts=(failed,), peak_mb=peak_mb)
    visible = hidden = False
    if told["result_branch"]:
        visible, hidden = _judge_branch(bug, bench, directory, told["result_branch"])
    return Outcome(
        row="mimo",
        task=bug.name,
        attempts=_attempts(told, seconds, used.read, visible=visible, hidden=visible and hidden),
        peak_mb=peak_mb,
    )


def _attempts(told: dict, seconds: float, read: int, *, visible: bool, hidden: bool) -> tuple[Attempt, ...]:  # type: ignore[type-arg]
    """One for each candidate that ran; what the session needed besides goes to the first."""
    candidates = told["candidates"]
    spent = [float(candidate["seconds"] or 0.0) for candidate in candidates]
    besides = max(0.0, seconds - sum(spent))
    total = sum(candidate["tokens"]["prompt"] for candidate in candidates) or 1
    attempts = []
    for index, candidate in enumerate(candidates):
        is_winner = candidate["n"] == told["winner"]
        attempts.append(
            Attempt(
                visible=is_winner and visible,
                hidden=is_winner and hidden,
                seconds=spent[index] + (besides if index == 0 else 0.0),
                read=round(read * candidate["tokens"]["prompt"] / total),  # by the server's count, without its cache
                written=candidate["tokens"]["completion"],
                note=told["status"] if is_winner else str(candidate["status"]),
            )
        )
    return tuple(attempts) or (
        Attempt(visible=False, hidden=False, seconds=seconds, read=read, written=0, note=told["status"]),
    )


def _judge_branch(bug: Bug, bench: Bench, directory: Path, branch: str) -> tuple[bool, bool]:
    """Check the result branch out beside the user's checkout and judge its code."""
    place = bench.scratch / "result"
    subprocess.run(["rm", "-rf", str(place)], check=True)
    subprocess.run(["git", "clone", "--quiet", "--branch", branch, str(directory), str(place)], check=True)
    return judge(bug, place, bench.scratch / "judge")
