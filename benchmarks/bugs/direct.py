"""The git-mimo row without the command: candidates run one after the other through `run_candidate`.

For developing the patch strategy; the published row is `mimo`, which runs `git mimo start`.
"""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bugs.memory import PeakMemory
from benchmarks.bugs.rows import Attempt, Bench, Outcome
from benchmarks.bugs.server import MODEL
from benchmarks.bugs.tasks import TEST_COMMAND, Bug, judge, run_visible
from gitmimo.agent.interface import CandidateInput, LeastChange
from gitmimo.agent.runner import run_candidate
from gitmimo.ids import Oid
from gitmimo.llm.local import LocalSettings
from gitmimo.llm.routing import Settings, open_model
from gitmimo.records import ActionKind, CommandResult, Step, StopReason, Task


@dataclass(frozen=True, slots=True)
class PlainWorkspace:
    """A worktree without a sandbox."""

    root: Path

    def run(self, command: str, *, timeout_s: float | None = None) -> CommandResult:
        started = time.monotonic()
        env = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        with subprocess.Popen(
            ["bash", "-c", command],
            cwd=self.root,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process:
            try:
                output, over = process.communicate(timeout=timeout_s or 60)[0], False
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                output, over = process.communicate()[0], True
        return CommandResult(
            command=command,
            exit_code=process.returncode,
            output=output.decode(errors="replace"),
            seconds=time.monotonic() - started,
            timed_out=over,
        )

    def test(self) -> CommandResult:
        return self.run(TEST_COMMAND, timeout_s=20)

    def changes(self) -> str | None:
        return None

    def is_accepted(self) -> bool:
        """Nobody judges here."""
        return False

    def least_change(self, changes: Sequence[Mapping[str, str]]) -> LeastChange | None:
        """Not compared here: the published row is `mimo`."""
        return None


def direct(bug: Bug, bench: Bench) -> Outcome:
    """All candidates until one passes the visible tests."""
    settings = Settings(
        environ={"OPENAI_API_KEY": "none"},
        key_for=lambda provider: None,
        local=LocalSettings(model_dir=bench.scratch, state_dir=bench.scratch),
        base_url=bench.server.base_url,
    )
    model = open_model(f"openai/{MODEL}", settings)
    attempts: list[Attempt] = []
    with PeakMemory(os.getpid(), without=bench.server.pid) as memory:
        for number in range(1, bench.caps.candidates + 1):
            attempts.append(_attempt(bug, bench, model, number))
            if attempts[-1].visible or sum(attempt.seconds for attempt in attempts) > bench.caps.seconds:
                break
    return Outcome(row="direct", task=bug.name, attempts=tuple(attempts), peak_mb=memory.peak_mb)


def _attempt(bug: Bug, bench: Bench, model: object, number: int) -> Attempt:
    directory = bench.fresh(bug, "direct")
    started, before = time.monotonic(), bench.server.tokens()
    notes: list[str] = []

    def on_step(step: Step) -> Oid | None:
        last = step.actions[-1].kind
        observed = step.observations[-1]
        if last is ActionKind.TEST:
            notes.append("pass" if observed.exit_code == 0 else "fail")
        else:
            notes.append(" ".join(observed.text.split()[:3]))
        return None

    def stop() -> StopReason | None:
        return StopReason.TIMEOUT if time.monotonic() - started > bench.caps.seconds else None

    trajectory = run_candidate(
        CandidateInput(
            task=Task(text=bug.text, test_command=TEST_COMMAND),
            number=number,
            seed=bench.caps.seed,
            max_output_tokens=bench.caps.max_tokens,
        ),
        PlainWorkspace(directory),
        model,  # type: ignore[arg-type]
        strategy="patch",
        on_step=on_step,
        stop=stop,
    )
    visible = run_visible(directory).passed
    seconds, used = time.monotonic() - started, bench.server.tokens() - before
    hidden = visible and judge(bug, directory, bench.scratch / "judge")[1]
    note = f"{trajectory.stop_reason.value}: {', '.join(notes)}" + ("" if notes else f" {trajectory.summary}")
    return Attempt(visible=visible, hidden=hidden, seconds=seconds, read=used.read, written=used.written, note=note)
