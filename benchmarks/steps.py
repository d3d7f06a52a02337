"""Hundreds of scripted steps: what git-mimo sends and takes, beside mini-swe-agent on the same script in one run.

    python -m benchmarks.steps --steps 500 --mini ~/peers/mini/bin/mini

A scripted server on loopback answers every request with the next `echo`, so that no model's speed or mood counts. It
counts tokens in the same way for both, and how much of each prompt had been sent before. What it takes for that counts
to nobody: a step lasts from an answer that is ready to the next request.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.scripted_server import Answer, Request, ScriptedServer

ROOT = Path(__file__).resolve().parent.parent
RULE = "Rule of this project: never touch the folder vendor/."
TASK = f"Work through the steps you are given, then finish. {RULE}"


@dataclass(slots=True)
class Run:
    """What one program sent and took over a run."""

    name: str
    steps: int
    pid: int = 0
    began: float = 0.0
    requests: list[Request] = field(default_factory=list)
    answered: Mapping[int, float] = field(default_factory=dict)
    memory_kb: list[int] = field(default_factory=list)

    def answer(self, request: Request) -> Answer:
        """The next step of the script, in the words of the program's own tools."""
        self.requests.append(request)
        self.memory_kb.append(_resident_kb(self.pid))
        number = len(self.requests)
        tools = {tool["function"]["name"] for tool in request.body.get("tools") or ()}
        if "bash" in tools:
            command = f"echo step {number}" if number < self.steps else "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"
            return Answer(text="Next.", tool_calls=(("bash", json.dumps({"command": command})),))
        if number == self.steps - 1:  # a product, so that there is something to land
            arguments = json.dumps({"path": "done.txt", "content": "done\n"})
            return Answer(text="Next.", tool_calls=(("write", arguments),))
        if number >= self.steps:
            return Answer(text="Next.", tool_calls=(("finish", json.dumps({"summary": "done"})),))
        return Answer(text="Next.", tool_calls=(("shell", json.dumps({"command": f"echo step {number}"})),))

    @property
    def tokens(self) -> int:
        return sum(request.prompt_tokens for request in self.requests)

    @property
    def reused(self) -> float:
        later = self.requests[1:]
        return sum(request.prefix_bytes for request in later) / max(1, sum(len(request.prompt) for request in later))

    def step_ms(self, around: int) -> float:
        """The median time of the steps around one, from answer to request."""
        gaps = [request.came - self.answered[request.number - 1] for request in self.requests[1:]]
        return 1000 * statistics.median(gaps[max(0, around - 8) : around + 8] or [0.0])

    def memory_mb(self, at: int) -> float:
        near = self.memory_kb[max(0, at - 5) : at + 1]
        return max(near, default=0) / 1024


def main() -> None:
    """Run both and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--mini", type=Path, help="the `mini` program of an installed mini-swe-agent")
    parser.add_argument("--sandbox", default="none", help="git-mimo's sandbox; mini-swe-agent has none")
    options = parser.parse_args()
    if options.steps < 40:
        parser.error("fewer than 40 steps say nothing about hundreds")
    runs = [_run("git-mimo", options.steps, _mimo(options.steps, options.sandbox))]
    if options.mini:
        runs.append(_run("mini-swe-agent", options.steps, _mini(options.mini.absolute())))
    _print_table(runs, options.steps)


def _mimo(steps: int, sandbox: str) -> Sequence[str]:
    return (
        sys.executable, "-m", "gitmimo", "start", "--task", TASK, "--model", "openai/scripted", "-n", "1",
        "--strategy", "shell", "--protocol", "tools", "--max-steps", str(steps + 5), "--critic", "none",
        "--test", "true", "--sandbox", sandbox, "--max-tokens", "1000000000", "--no-skills", "--json",
    )  # fmt: skip


def _mini(program: Path) -> Sequence[str]:
    return (str(program), "-m", "openai/scripted", "-t", TASK, "-y", "--exit-immediately", "-l", "0", "-o", "out.json")


def _run(name: str, steps: int, command: Sequence[str]) -> Run:
    run = Run(name=name, steps=steps)
    with tempfile.TemporaryDirectory(prefix="mimo-steps-") as made, ScriptedServer({"*": run.answer}) as server:
        home, place = Path(made, "home"), Path(made, "repo")
        home.mkdir()
        environment = _environment(home, server.base_url)
        _make_repository(place, environment)
        log = Path(made, "log")
        with log.open("wb") as output:
            run.answered = server.answered
            run.began = time.time()
            child = subprocess.Popen(command, cwd=place, env=environment, stdout=output, stderr=output)
            run.pid = child.pid
            child.wait(timeout=3600)
        if len(run.requests) < steps:
            raise SystemExit(
                f"{name} ended after {len(run.requests)} steps:\n{log.read_text(errors='replace')[-3000:]}"
            )
    return run


def _environment(home: Path, base_url: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return kept | {
        "HOME": str(home),
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "ignore",
        "OPENAI_API_KEY": "none",
        "OPENAI_API_BASE": base_url,
        "OPENAI_BASE_URL": base_url,
        "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.org",
        "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@example.org",
        "MSWEA_CONFIGURED": "true",
        "MSWEA_COST_TRACKING": "ignore_errors",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }  # fmt: skip


def _make_repository(place: Path, environment: Mapping[str, str]) -> None:
    place.mkdir()
    (place / "README.md").write_text("# Example\n")
    for args in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "start"]):
        subprocess.run(["git", *args], cwd=place, env=dict(environment), check=True)


def _resident_kb(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    except OSError:
        pass
    return 0


def _print_table(runs: Sequence[Run], steps: int) -> None:
    rows: list[tuple[str, ...]] = [
        ("requests", *(f"{len(run.requests)}" for run in runs)),
        ("largest prompt, tokens", *(f"{max(r.prompt_tokens for r in run.requests):,}" for run in runs)),
        ("all prompts, tokens", *(f"{run.tokens:,}" for run in runs)),
        ("of it a prefix already sent", *(f"{run.reused:.1%}" for run in runs)),
        (f"rule of step 1 in the prompt of step {steps}", *(_has_rule(run) for run in runs)),
        ("time to the first request, s", *(f"{run.requests[0].at - run.began:.2f}" for run in runs)),
        ("time a step at 10, ms", *(f"{run.step_ms(10):.1f}" for run in runs)),
        (f"time a step at {steps}, ms", *(f"{run.step_ms(steps - 10):.1f}" for run in runs)),
        ("memory at step 20, MB", *(f"{run.memory_mb(20):.0f}" for run in runs)),
        (f"memory at step {steps}, MB", *(f"{run.memory_mb(steps - 1):.0f}" for run in runs)),
    ]
    print(f"| {steps} scripted steps | " + " | ".join(run.name for run in runs) + " |")
    print("|---|" + "---:|" * len(runs))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    if len(runs) == 2:
        print(f"\nAll prompts: {runs[0].tokens / runs[1].tokens:.1%} of {runs[1].name}'s tokens.")


def _has_rule(run: Run) -> str:
    return "yes" if RULE.encode() in run.requests[-1].prompt else "no"


if __name__ == "__main__":
    main()
