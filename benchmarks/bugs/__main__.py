"""Run rows on tasks: `python -m benchmarks.bugs --model FILE.gguf [--rows plain,mimo,aider,mini] [--tasks a,b]`."""

import argparse
import contextlib
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.bugs.direct import direct
from benchmarks.bugs.mimo import mimo
from benchmarks.bugs.outcomes import append_outcome, compared, read_outcomes
from benchmarks.bugs.rows import Bench, Caps, Outcome, Row, aider, find_peer, mini, plain
from benchmarks.bugs.server import Server, serve
from benchmarks.bugs.tasks import Bug, load_bugs, problem_of

ROWS: dict[str, Row] = {"plain": plain, "direct": direct, "mimo": mimo, "aider": aider, "mini": mini}
PEERS = {"aider": ("aider", "aider"), "mini": ("mini", "mini")}


def main() -> int:
    parser = _parser()
    options = parser.parse_args()
    if options.quick:
        options.set, options.shuffle, options.first, options.n = "functions", 7, 6, "1,4"
        options.rows, options.seconds = "plain,mimo", 90.0
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a shell's background job, and by its children
    rows = options.rows.split(",")
    counts = tuple(int(n) for n in options.n.split(","))
    if options.table:
        print(table(compared(read_outcomes(options.table)), counts))
        return 0
    begun = time.monotonic()
    bugs = load_bugs(options.tasks.split(",") if options.tasks else (), options.set)
    if options.shuffle is not None:
        random.Random(options.shuffle).shuffle(bugs)
    bugs = bugs[: options.first or None]
    if options.check:
        return _check(bugs)
    caps = Caps(candidates=max(counts), max_tokens=options.max_tokens, seconds=options.seconds, seed=options.seed)
    peers = Path(os.environ["PEERS_DIR"]) if "PEERS_DIR" in os.environ else None
    try:
        outcomes = read_outcomes(options.out, caps) if options.out else []
    except ValueError as exc:
        parser.error(str(exc))
    done = {(outcome.row, outcome.task) for outcome in outcomes}
    with contextlib.ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mimo-bugs-")))
        server = (
            Server(root=options.server)
            if options.server
            else stack.enter_context(serve(options.model, threads=options.threads, max_tokens=options.max_tokens))
        )
        bench = Bench(server=server, caps=caps, scratch=scratch, peers=peers)
        missing = [row for row in rows if row in PEERS and find_peer(bench, *PEERS[row]) is None]
        for row in missing:
            print(f"{row} is not installed: set PEERS_DIR or PATH", file=sys.stderr)
        rows = [row for row in rows if row not in missing]
        for bug in bugs:
            for row in [row for row in rows if (row, bug.name) not in done]:
                outcome = ROWS[row](bug, bench)
                outcomes.append(outcome)
                _print_outcome(outcome)
                if options.out:
                    append_outcome(options.out, outcome, caps, day=f"{datetime.now(UTC):%Y-%m-%d}")
        if options.keep:
            for path in scratch.glob("*.log"):
                (options.keep / path.name).write_text(path.read_text())
    print(table(compared(outcomes), counts))
    print(f"\n{(time.monotonic() - begun) / 60:.0f} minutes, {datetime.now(UTC):%Y-%m-%d}", file=sys.stderr)
    return 0


def _check(bugs: Sequence[Bug]) -> int:
    unsound = 0
    for bug in bugs:
        with tempfile.TemporaryDirectory(prefix="mimo-bugs-") as scratch:
            problem = problem_of(bug, Path(scratch))
        unsound += bool(problem)
        print(f"{bug.name:14} {problem or 'sound'}", flush=True)
    return 1 if unsound else 0


def table(outcomes: Sequence[Outcome], counts: Sequence[int]) -> str:
    """The markdown table. Rows with one attempt have one line; the others one for each number of candidates."""
    lines = [
        "| row | N | solved (visible and hidden tests) | visible only | of these unsettled | seconds "
        "| seconds per solved | tokens read | written | peak MB |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in dict.fromkeys(outcome.row for outcome in outcomes):
        of_row = [outcome for outcome in outcomes if outcome.row == row]
        many = row in ("plain", "direct", "mimo")
        for count in counts if many else (1,):
            at = [outcome.at(count) for outcome in of_row]
            solved, seen = sum(a[1] for a in at), sum(a[0] and not a[1] for a in at)
            seconds, read, written = sum(a[2] for a in at), sum(a[3] for a in at), sum(a[4] for a in at)
            each = f"{seconds / solved:.0f}" if solved else "-"
            peak = max(outcome.peak_mb for outcome in of_row)
            doubted = sum(o.at(count)[0] and not o.at(count)[1] and o.is_unsettled for o in of_row)
            lines.append(
                f"| {row} | {count if many else '-'} | {solved} of {len(of_row)} | {seen} | {doubted} | {seconds:.0f} "
                f"| {each} | {read} | {written} | {peak:.0f} |"
            )
    return "\n".join(lines)


def _print_outcome(outcome: Outcome) -> None:
    visible, hidden, seconds, read, written = outcome.at(len(outcome.attempts))
    said = "solved" if hidden else "visible only" if visible else "failed"
    notes = " / ".join(attempt.note for attempt in outcome.attempts if attempt.note)
    print(
        f"{datetime.now(UTC):%H:%M:%S} {outcome.row:7} {outcome.task:11} {said:12} after {len(outcome.attempts)}, "
        f"{seconds:.0f} s, {read}+{written} tokens {notes}",
        flush=True,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bugs", description=__doc__)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--model", type=Path, help="the GGUF file of qwen2.5-coder-1.5b")
    source.add_argument("--server", help="a running server instead, for example http://127.0.0.1:8080")
    source.add_argument("--table", type=Path, help="run nothing, print the table of what `--out` wrote")
    source.add_argument("--check", action="store_true", help="run no model, check that every task is sound")
    parser.add_argument("--rows", default="plain,mimo,aider,mini")
    parser.add_argument("--n", default="1,3,8", help="numbers of candidates to report")
    parser.add_argument("--set", choices=["modules", "functions", "all"], default="modules")
    parser.add_argument("--tasks", default="", help="names, separated by commas; all by default")
    parser.add_argument(
        "--shuffle", type=int, help="order the tasks by this seed, so that a run that is cut is a sample"
    )
    parser.add_argument("--first", type=int, default=0, help="only so many tasks")
    parser.add_argument(
        "--quick", action="store_true", help="20 minutes: six functions, plain and git-mimo, 90 s a task"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--max-tokens", type=int, default=700, help="longest reply, for every row")
    parser.add_argument("--seconds", type=float, default=300.0, help="longest time on one task, for every row")
    parser.add_argument("--out", type=Path, help="append one JSON line a task and row; skip what it holds")
    parser.add_argument("--keep", type=Path, help="directory for the peers' logs")
    return parser


if __name__ == "__main__":
    sys.exit(main())
