"""What git-mimo costs beside the model: time to the first request, time a step, peak memory; against mini-swe-agent.

    python -m benchmarks.overhead [--steps 50] [--runs 3] [--mini PATH/bin/mini]

mini-swe-agent is found on PATH or given; `pip install mini-swe-agent mcp` in an environment of its own.

Both talk to the same scripted server, which answers at once with one `echo` a step, in the same run, in turn. Times
are the server's: from the start of the process to the first request, and between two requests. Memory is the largest
single process and, for git-mimo, the sum over all its processes, which is about one command's memory more.
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.scripted_server import Answer, ScriptedServer

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run: seconds to the first request, milliseconds between requests, peak memory in MB."""

    first_s: float
    step_ms: float
    peak_mb: float


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--mini", default=shutil.which("mini") or "")
    options = parser.parse_args()
    mimo, mini = _mimo_answers(options.steps), _mini_answers(options.steps)
    ways = {
        "git-mimo": (_mimo_command(), mimo),
        "git-mimo, `--sandbox none`": ([*_mimo_command(), "--sandbox", "none"], mimo),
    }
    if options.mini:
        ways["mini-swe-agent, which has no sandbox"] = (_mini_command(options.mini), mini)
    rows: dict[str, list[Run]] = {name: [] for name in ways}
    for _ in range(options.runs):
        for name, (command, answers) in ways.items():
            rows[name].append(_measure(command, options.steps, answers))
    print(f"{options.steps} steps, median of {options.runs} runs in turn\n")
    print("| | first request (s) | a step (ms) | peak memory (MB) |\n|---|---|---|---|")
    for name, runs in rows.items():
        cells = [statistics.median(getattr(run, field) for run in runs) for field in ("first_s", "step_ms", "peak_mb")]
        print(f"| {name} | {cells[0]:.2f} | {cells[1]:.1f} | {cells[2]:.0f} |")


def _measure(command: Sequence[str], steps: int, answers: Sequence[Answer]) -> Run:
    with tempfile.TemporaryDirectory() as scratch, ScriptedServer({"*": answers}) as server:
        repository = _repository(Path(scratch))
        environment = {
            **os.environ,
            "OPENAI_API_BASE": server.base_url,
            "OPENAI_BASE_URL": server.base_url,
            "OPENAI_API_KEY": "sk-benchmark-0123456789",
            "HOME": scratch,
            "XDG_STATE_HOME": f"{scratch}/state",
            "GIT_MIMO_DREAM": "off",
            "MSWEA_CONFIGURED": "true",
            "MSWEA_SILENT_STARTUP": "1",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "MSWEA_COST_TRACKING": "ignore_errors",
            "PYTHONPATH": str(ROOT),
        }
        started = time.time()
        process = subprocess.Popen(
            command, cwd=repository, env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
        said = process.stderr.read() if process.stderr else b""
        _, _, usage = os.wait4(process.pid, 0)
        times = [request.at for request in server.requests]
    if len(times) < steps:
        sys.exit(f"{command[0]} made {len(times)} of {steps} requests: {said.decode(errors='replace')[-2000:]}")
    gaps = [1000 * (later - earlier) for earlier, later in zip(times, times[1:steps], strict=False)]
    return Run(first_s=times[0] - started, step_ms=statistics.median(gaps), peak_mb=_peak(usage) / 1024)


def _peak(usage: resource.struct_rusage) -> float:
    return float(usage.ru_maxrss)


def _repository(scratch: Path) -> Path:
    path = scratch / "repo"
    path.mkdir()
    (path / "calc.py").write_text("def add(a, b):\n    return a - b\n")
    (path / "check.sh").write_text("exit 0\n")
    git = ["git", "-C", str(path), "-c", "user.name=B", "-c", "user.email=b@example.org"]
    subprocess.run([*git, "init", "-q", "-b", "main"], check=True)
    for name, value in (("user.name", "B"), ("user.email", "b@example.org")):
        subprocess.run([*git, "config", name, value], check=True)
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-qm", "base"], check=True)
    return path


def _mimo_command() -> list[str]:
    return [
        sys.executable, "-m", "gitmimo", "start", "--task", "echo numbers", "-m", "openai/bench", "-n", "1",
        "--critic", "none", "--max-tokens", "100000000", "--max-steps", "1000", "--accept", "sh check.sh",
        "--strategy", "shell",
    ]  # fmt: skip


def _mimo_answers(steps: int) -> list[Answer]:
    echo = [Answer(tool_calls=(("shell", json.dumps({"command": f"echo {n}"})),)) for n in range(steps)]
    return [*echo, Answer(tool_calls=(("finish", json.dumps({"summary": "done"})),), repeat=True)]


def _mini_command(mini: str) -> list[str]:
    return [mini, "-t", "echo numbers", "-m", "openai/bench", "-y", "--exit-immediately", "-o", "/dev/null",
            "-c", "mini_textbased.yaml",
            "-c", "model.model_class=litellm_textbased"]  # fmt: skip


def _mini_answers(steps: int) -> list[Answer]:
    echo = [Answer(text=f"THOUGHT: go on\n\n```mswea_bash_command\necho {n}\n```") for n in range(steps)]
    end = "THOUGHT: done\n\n```mswea_bash_command\necho COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT\n```"
    return [*echo, Answer(text=end, repeat=True)]


if __name__ == "__main__":
    main()
