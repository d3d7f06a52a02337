"""The rows of the benchmark: each takes one task and a directory and says what it did there."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.bugs.memory import PeakMemory
from benchmarks.bugs.server import MODEL, Server
from benchmarks.bugs.tasks import TEST_COMMAND, Bug, judge, run_visible, set_up


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What one candidate (or one run of a tool) came to, and when it was over."""

    visible: bool
    hidden: bool
    seconds: float
    read: int
    written: int
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One row's work on one task; attempts are in order and independent of each other."""

    row: str
    task: str
    attempts: tuple[Attempt, ...]
    peak_mb: float = 0.0

    @property
    def is_unsettled(self) -> bool:
        """Whether the tool itself said that a person must decide."""
        return any(attempt.note == "unsettled" for attempt in self.attempts)

    def at(self, count: int) -> tuple[bool, bool, float, int, int]:
        """(visible, hidden, seconds, read, written) had it been given `count` candidates."""
        taken = self.attempts[:count]
        winner = next((attempt for attempt in taken if attempt.visible), None)
        return (
            winner is not None,
            winner is not None and winner.hidden,
            sum(attempt.seconds for attempt in taken),
            sum(attempt.read for attempt in taken),
            sum(attempt.written for attempt in taken),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """What every row may use for one task."""

    candidates: int = 8
    max_tokens: int = 700
    seconds: float = 300.0
    seed: int = 1


@dataclass(slots=True)
class Bench:
    """Where a run keeps things, and the server it uses."""

    server: Server
    caps: Caps
    scratch: Path
    peers: Path | None = None
    home: Path = field(init=False)

    def __post_init__(self) -> None:
        self.home = self.scratch / "home"
        self.home.mkdir(parents=True, exist_ok=True)

    def fresh(self, bug: Bug, name: str) -> Path:
        directory = self.scratch / name
        shutil.rmtree(directory, ignore_errors=True)
        return set_up(bug, directory)

    def environment(self) -> dict[str, str]:
        """A child's environment: a home of its own, our server as the OpenAI endpoint, this Python first on PATH."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("GIT_", "MIMO_", "AIDER_"))}
        return kept | {
            "HOME": str(self.home),
            "XDG_CONFIG_HOME": str(self.home / ".config"),
            "XDG_STATE_HOME": str(self.home / ".local/state"),
            "XDG_DATA_HOME": str(self.home / ".local/share"),
            "XDG_CACHE_HOME": str(self.home / ".cache"),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "OPENAI_API_KEY": "none",
            "OPENAI_API_BASE": self.server.base_url,
            "GIT_AUTHOR_NAME": "Bench",
            "GIT_AUTHOR_EMAIL": "bench@example.org",
            "GIT_COMMITTER_NAME": "Bench",
            "GIT_COMMITTER_EMAIL": "bench@example.org",
            "PYTHONDONTWRITEBYTECODE": "1",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # the peers would wait for a download of prices
        }


Row = Callable[[Bug, Bench], Outcome]


def plain(bug: Bug, bench: Bench) -> Outcome:
    """Whole-file replies to one prompt; the first that passes the visible tests is taken. It is told which file."""
    base = bench.fresh(bug, "plain")
    path = _changed_path(bug)
    source = (base / path).read_text()
    prompt = (
        f"{bug.text}\n\nFile {path}:\n```python\n{source}```\n\nThe tests fail:\n```\n"
        f"{run_visible(base).output[-2500:]}\n```\n\nWrite the whole corrected file {path} in one ```python block."
    )
    attempts: list[Attempt] = []
    with PeakMemory(os.getpid(), without=bench.server.pid) as memory:
        for number in range(bench.caps.candidates):
            started, before = time.monotonic(), bench.server.tokens()
            reply = ask(bench.server, prompt, temperature=0.2 if number == 0 else 0.8, seed=bench.caps.seed + number)
            found = re.search(r"```(?:python)?\n(.*?)(?:```|\Z)", reply, re.S)
            (base / path).write_text(found[1] if found else reply)
            visible = run_visible(base).passed
            seconds, used = time.monotonic() - started, bench.server.tokens() - before
            is_late = sum(attempt.seconds for attempt in attempts) + seconds > bench.caps.seconds
            visible = visible and not is_late
            hidden = visible and judge(bug, base, bench.scratch / "judge")[1]
            attempts.append(
                Attempt(visible=visible, hidden=hidden, seconds=seconds, read=used.read, written=used.written)
            )
            if visible or is_late:
                break
    return Outcome(row="plain", task=bug.name, attempts=tuple(attempts), peak_mb=memory.peak_mb)


def aider(bug: Bug, bench: Bench) -> Outcome:
    """aider, whole-file format, with its own test loop. It is told which files there are."""
    program = _peer(bench, "aider", "aider")
    settings = bench.scratch / "aider-model.yml"
    name = f"openai/{MODEL}"
    settings.write_text(
        json.dumps(
            [
                {
                    "name": name,
                    "edit_format": "whole",
                    "use_repo_map": False,
                    "extra_params": {"max_tokens": bench.caps.max_tokens},
                }
            ]
        )
    )
    command = [
        str(program), "--model", name, "--edit-format", "whole", "--model-settings-file", str(settings),
        "--message", bug.text, "--test-cmd", TEST_COMMAND, "--auto-test", "--yes-always", "--no-auto-commits",
        "--no-gitignore", "--no-check-update", "--no-show-model-warnings", "--no-analytics", "--no-pretty",
        "--no-stream", "--no-show-release-notes", "--no-detect-urls",
        "--no-suggest-shell-commands", "--map-tokens", "0", *bug.source_paths,
    ]  # fmt: skip
    return _run_tool("aider", bug, bench, command)


def mini(bug: Bug, bench: Bench) -> Outcome:
    """mini-swe-agent, headless, with its text-based configuration."""
    program = _peer(bench, "mini", "mini")
    command = [
        str(program), "-t", f"{bug.text}\n\nThe tests run with: {TEST_COMMAND}", "-m", f"openai/{MODEL}",
        "-y", "--exit-immediately", "-l", "0",
        "--model-class", "litellm_textbased", "-c", "mini_textbased.yaml",
        "-c", f"model.model_kwargs.api_base={bench.server.base_url}",
        "-c", f"model.model_kwargs.max_tokens={bench.caps.max_tokens}", "-c", "model.cost_tracking=ignore_errors",
        "-c", "agent.step_limit=32", "-o", str(bench.scratch / "mini.traj.json"),
    ]  # fmt: skip
    return _run_tool("mini", bug, bench, command)


def _run_tool(row: str, bug: Bug, bench: Bench, command: list[str]) -> Outcome:
    directory = bench.fresh(bug, row)
    before = bench.server.tokens()
    seconds, log, peak_mb = run_command(command, directory, bench, limit_s=bench.caps.seconds)
    (bench.scratch / f"{row}-{bug.name}.log").write_text(log)
    used = bench.server.tokens() - before
    visible, hidden = judge(bug, directory, bench.scratch / "judge")
    attempt = Attempt(visible=visible, hidden=visible and hidden, seconds=seconds, read=used.read, written=used.written)
    return Outcome(row=row, task=bug.name, attempts=(attempt,), peak_mb=peak_mb)


def run_command(
    command: list[str], directory: Path, bench: Bench, *, limit_s: float, env: Mapping[str, str] | None = None
) -> tuple[float, str, float]:
    """Run a tool in a process group of its own; (seconds, output, peak memory of all its processes)."""
    extra = {"MSWEA_CONFIGURED": "true", "MSWEA_COST_TRACKING": "ignore_errors", "MSWEA_SILENT_STARTUP": "1"}
    started = time.monotonic()
    with subprocess.Popen(
        command,
        cwd=directory,
        env=bench.environment() | extra | dict(env or {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        with PeakMemory(process.pid) as memory:
            try:
                output, errors = process.communicate(timeout=limit_s)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGINT)
                try:
                    output, errors = process.communicate(timeout=10)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    output, errors = process.communicate()
        seconds = time.monotonic() - started
    return seconds, output.decode(errors="replace") + errors.decode(errors="replace"), memory.peak_mb


def find_peer(bench: Bench, directory: str, program: str) -> Path | None:
    """A peer's program in PEERS_DIR/<directory>/bin, or on PATH."""
    if bench.peers is not None and (bench.peers / directory / "bin" / program).is_file():
        return bench.peers / directory / "bin" / program
    found = shutil.which(program)
    return Path(found) if found else None


def _peer(bench: Bench, directory: str, program: str) -> Path:
    found = find_peer(bench, directory, program)
    if found is None:
        raise FileNotFoundError(f"{program} is not installed")
    return found


def _changed_path(bug: Bug) -> str:
    found = re.search(r"^\+\+\+ b/(.*)$", bug.fix.read_text(), re.M)
    assert found is not None
    return found[1]


def ask(server: Server, prompt: str, *, temperature: float, seed: int) -> str:
    """One reply of the server to one prompt."""
    body = {"messages": [{"role": "user", "content": prompt}], "temperature": temperature, "seed": seed}
    request = urllib.request.Request(
        f"{server.base_url}/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=900) as response:
        return str(json.load(response)["choices"][0]["message"]["content"])
