"""The rows: each tool works on one task as its user would run it, and its answer is judged by the hidden tests."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import gitmimo
from benchmarks.bugs.rows import Bench, ask, find_peer, run_command
from benchmarks.bugs.server import MODEL
from benchmarks.real.judge import judge, test_command
from benchmarks.real.releases import Releases
from benchmarks.real.tasks import RealBug, set_up

_SHORT_FILE = 16_000  # characters that fit into one question and its answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How one run ended. `right` is None where nothing was offered."""

    row: str
    task: str
    ending: str  # passed, unsettled, failed, skipped
    right: bool | None = None
    seconds: float = 0.0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """What rows need besides the task."""

    bench: Bench
    releases: Releases

    def fresh(self, task: RealBug, row: str) -> Path:
        return set_up(task, self.releases, self.bench.scratch / row)

    def environment(self) -> dict[str, str]:
        """The projects' own Python first."""
        path = f"{self.releases.python.parent}{os.pathsep}{self.bench.environment()['PATH']}"
        return {"PATH": path}


Row = Callable[[RealBug, Place], Ended]


def mimo(task: RealBug, place: Place) -> Ended:
    """`git mimo start`; an unsettled result is judged like a settled one and counted apart."""
    tree, bench = place.fresh(task, "mimo"), place.bench
    command = [
        sys.executable, "-m", "gitmimo", "start", task.text, "-n", str(bench.caps.candidates),
        "--test", test_command(task, tree), "--model", f"openai/{MODEL}", "--base-url", bench.server.base_url,
        "--critic", "none", "--json", "--max-tokens", "1000000", "--timeout", str(bench.caps.seconds),
    ]  # fmt: skip
    env = {**place.environment(), "PYTHONPATH": str(Path(gitmimo.__file__).parents[1])}
    seconds, log, _ = run_command(command, tree, bench, limit_s=bench.caps.seconds + 120, env=env)
    (bench.scratch / f"mimo-{task.name}.log").write_text(log)
    try:
        told = json.loads(log[log.index("{") : log.rindex("}") + 1])
    except ValueError:
        return Ended(row="mimo", task=task.name, ending="failed", seconds=seconds, note=log.strip()[-200:])
    if not told["result_branch"]:
        return Ended(row="mimo", task=task.name, ending="failed", seconds=seconds, note=str(told.get("message", "")))
    subprocess.run(["git", "-C", str(tree), "checkout", "-q", told["result_branch"]], check=True, capture_output=True)
    verdict = told.get("verdict") or {}
    judged = judge(task, place.releases, tree)
    note = "; ".join([*verdict.get("doubts", ()), *judged.broken[:2]])
    ending = "passed" if verdict.get("settled", True) else "unsettled"
    return Ended(row="mimo", task=task.name, ending=ending, right=judged.is_right, seconds=seconds, note=note[:300])


def plain(task: RealBug, place: Place) -> Ended:
    """Whole-file replies until one passes the visible tests, where the file is short enough."""
    tree, bench = place.fresh(task, "plain"), place.bench
    source = (tree / task.path).read_text(encoding="utf-8")
    if len(source) > _SHORT_FILE:
        return Ended(row="plain", task=task.name, ending="skipped", note=f"{len(source)} characters are too many")
    started = time.monotonic()
    output = _run_visible(task, tree, place)[1]
    prompt = (
        f"{task.text}\n\nFile {task.path}:\n```python\n{source}```\n\nThe tests say:\n```\n{output[-2500:]}\n```\n\n"
        f"Write the whole corrected file {task.path} in one ```python block."
    )
    for number in range(bench.caps.candidates):
        temperature = 0.2 if number == 0 else 0.8
        reply = ask(bench.server, prompt, temperature=temperature, seed=bench.caps.seed + number)
        found = re.search(r"```(?:python)?\n(.*?)(?:```|\Z)", reply, re.S)
        (tree / task.path).write_text(found[1] if found else reply, encoding="utf-8")
        passed = _run_visible(task, tree, place)[0]
        seconds = time.monotonic() - started
        if passed and seconds <= bench.caps.seconds:
            right = judge(task, place.releases, tree).is_right
            return Ended(row="plain", task=task.name, ending="passed", right=right, seconds=seconds)
        if seconds > bench.caps.seconds:
            break
    return Ended(row="plain", task=task.name, ending="failed", seconds=time.monotonic() - started)


def aider(task: RealBug, place: Place) -> Ended:
    """aider, whole-file format, with its own test loop; it is told which file."""
    tree, bench = place.fresh(task, "aider"), place.bench
    program = find_peer(bench, "aider", "aider")
    if program is None:
        return Ended(row="aider", task=task.name, ending="skipped", note="not installed")
    command = [
        str(program), "--message", task.text, "--model", f"openai/{MODEL}", "--yes-always", "--auto-test",
        "--test-cmd", test_command(task, tree), "--edit-format", "whole", "--no-auto-commits", "--no-git",
        "--no-check-update", "--no-show-model-warnings", "--no-analytics", "--no-pretty", "--no-stream",
        "--no-show-release-notes", "--no-detect-urls", "--no-suggest-shell-commands", "--map-tokens", "0", task.path,
    ]  # fmt: skip
    seconds, log, _ = run_command(command, tree, bench, limit_s=bench.caps.seconds, env=place.environment())
    (bench.scratch / f"aider-{task.name}.log").write_text(log)
    if not _run_visible(task, tree, place)[0]:
        return Ended(row="aider", task=task.name, ending="failed", seconds=seconds)
    right = judge(task, place.releases, tree).is_right
    return Ended(row="aider", task=task.name, ending="passed", right=right, seconds=seconds)


ROWS: Mapping[str, Row] = {"mimo": mimo, "plain": plain, "aider": aider}


def _run_visible(task: RealBug, tree: Path, place: Place) -> tuple[bool, str]:
    env = place.bench.environment() | place.environment()
    try:
        done = subprocess.run(
            ["bash", "-c", test_command(task, tree)], cwd=tree, env=env, capture_output=True, text=True, timeout=120,
            check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return False, "the tests did not end in time"
    return done.returncode == 0, done.stdout + done.stderr
