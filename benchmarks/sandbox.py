"""What a sandbox costs a command: plain, bubblewrap and landlock in turn, in one run.

    python -m benchmarks.sandbox [--runs 50]

Each round starts `true` once in every way, so that a busy moment meets all of them. Plain is the start of a process by
Python's own `subprocess`, without our limits. What this machine doesn't have is left out and said.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from gitmimo.errors import SandboxUnavailable
from gitmimo.sandbox.base import CommandSpec, Sandbox
from gitmimo.sandbox.probe import open_sandbox

KINDS = ("bwrap", "landlock", "none")


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=50)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mimo-bench-") as name:
        ways: dict[str, Callable[[], object]] = {"plain": _plain}
        for kind in KINDS:
            try:
                ways[kind] = _inside(open_sandbox(kind), Path(name))
            except SandboxUnavailable as missing:
                print(f"{kind} is left out: {missing.message}", file=sys.stderr)
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        for way in ways.values():
            way()  # the first start reads programs from the disk
        for _ in range(options.runs):
            for way, start in ways.items():
                began = time.perf_counter()
                start()
                seconds[way].append(time.perf_counter() - began)
    plain = statistics.median(seconds["plain"])
    print(f"median of {options.runs} starts of `true`, in turn\n")
    print("| way | a command (ms) | more than plain (ms) | the fastest (ms) |\n|---|---|---|---|")
    for way, found in seconds.items():
        median = statistics.median(found)
        print(f"| {way} | {median * 1000:.1f} | {(median - plain) * 1000:+.1f} | {min(found) * 1000:.1f} |")


def _plain() -> object:
    return subprocess.run(["true"], stdin=subprocess.DEVNULL, capture_output=True, check=True)


def _inside(sandbox: Sandbox, work_tree: Path) -> Callable[[], object]:
    job = CommandSpec(command=["true"], work_tree=work_tree)
    return lambda: sandbox.run(job)


if __name__ == "__main__":
    main()
