"""Real bugs of real projects with the local model: `python -m benchmarks.real --model FILE.gguf --out FILE`.

Releases are fetched by name and version into `--cache`. `--check` runs no model: each bug must be seen by the visible
tests, and the reference fix must pass them and the hidden ones. A run writes one JSON line a row and task to `--out`,
and goes on where the last one was cut; `--table` prints what it holds. Run it when the machine is quiet.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.bugs.rows import Bench, Caps
from benchmarks.bugs.server import Server, serve
from benchmarks.real.judge import check
from benchmarks.real.releases import Releases
from benchmarks.real.rows import ROWS, Ended, Place
from benchmarks.real.tasks import RealBug, load_tasks

_SCHEMA = "git-mimo/real/1"


def main() -> int:
    options = _parser().parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a shell's background job
    tasks = load_tasks(tuple(filter(None, options.only.split(","))))
    if options.check:
        return _check(tasks, Releases(options.cache))
    done = _read(options.out)
    if not options.table:
        with contextlib.ExitStack() as stack:
            scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mimo-real-")))
            server = (
                Server(root=options.server)
                if options.server
                else stack.enter_context(serve(options.model, threads=options.threads, max_tokens=700))
            )
            caps = Caps(candidates=options.n, seconds=options.seconds)
            peers = Path(os.environ["PEERS_DIR"]) if "PEERS_DIR" in os.environ else None
            place = Place(Bench(server=server, caps=caps, scratch=scratch, peers=peers), Releases(options.cache))
            known = {(ended.row, ended.task) for ended in done}
            for task in tasks:
                for row in [row for row in options.rows.split(",") if (row, task.name) not in known]:
                    ended = ROWS[row](task, place)
                    done.append(ended)
                    _append(options.out, ended, options)
                    print(f"{datetime.now(UTC):%H:%M:%S} {ended}", file=sys.stderr, flush=True)
    print(table(done))
    return 0


def table(done: Sequence[Ended]) -> str:
    """Markdown: one line a row."""
    lines = ["| row | tasks | ended passed | right of those | unsettled | right of those | seconds |"]
    lines.append("|---|---|---|---|---|---|---|")
    for row in dict.fromkeys(ended.row for ended in done):
        ran = [ended for ended in done if ended.row == row and ended.ending != "skipped"]
        passed = [ended for ended in ran if ended.ending == "passed"]
        open_ = [ended for ended in ran if ended.ending == "unsettled"]
        seconds = sum(ended.seconds for ended in ran)
        lines.append(
            f"| {row} | {len(ran)} | {len(passed)} | {sum(bool(e.right) for e in passed)} | {len(open_)} "
            f"| {sum(bool(e.right) for e in open_)} | {seconds:.0f} |"
        )
    return "\n".join(lines)


def _check(tasks: Sequence[RealBug], releases: Releases) -> int:
    bad = 0
    for task in tasks:
        problem = check(task, releases)
        bad += bool(problem)
        print(f"{task.name}: {problem or 'good'}", flush=True)
    return 1 if bad else 0


def _read(path: Path | None) -> list[Ended]:
    if path is None or not path.exists():
        return []
    names = [field.name for field in dataclasses.fields(Ended)]
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [Ended(**{name: line[name] for name in names}) for line in lines]


def _append(path: Path | None, ended: Ended, options: argparse.Namespace) -> None:
    if path is not None:
        caps = {"candidates": options.n, "seconds": options.seconds}
        told = {"schema": _SCHEMA, "day": f"{datetime.now(UTC):%Y-%m-%d}", **dataclasses.asdict(ended), "caps": caps}
        with path.open("a") as log:
            log.write(json.dumps(told) + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.real", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--model", type=Path, help="the GGUF file of qwen2.5-coder-1.5b")
    what.add_argument("--server", help="a running server instead, for example http://127.0.0.1:8080")
    what.add_argument("--check", action="store_true", help="validate the tasks, without a model")
    what.add_argument("--table", action="store_true", help="print the table of what `--out` holds")
    parser.add_argument("--cache", type=Path, default=Path("real-cache"), help="where releases are kept")
    parser.add_argument("--out", type=Path, help="append one JSON line a row and task; skip what it holds")
    parser.add_argument("--rows", default="mimo,plain,aider")
    parser.add_argument("--only", default="", help="beginnings of names, separated by commas")
    parser.add_argument("--n", type=int, default=3, help="candidates of a session, replies of plain")
    parser.add_argument("--seconds", type=float, default=600.0, help="longest time on one task, for every row")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    return parser


if __name__ == "__main__":
    sys.exit(main())
