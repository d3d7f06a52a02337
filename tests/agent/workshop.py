"""A workspace over a real directory with real commands, and short ways to script a model."""

import hashlib
import json
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from gitmimo.agent.interface import BaseSuite, CandidateInput, LeastChange, WorkspaceFacts
from gitmimo.agent.runner import run_candidate
from gitmimo.ids import Oid
from gitmimo.llm.model import Model
from gitmimo.records import CommandResult, Reply, Step, StopReason, Task, ToolCall, Trajectory


class RealWorkspace:
    """A directory in which commands really run, without a sandbox."""

    def __init__(self, root: Path, *, test_command: str = "") -> None:
        self.root = root
        self.commands: list[str] = []
        self.suite: BaseSuite | None = None
        self.compared: list[dict[str, str]] = []
        self.least: LeastChange | None = None
        self.known = WorkspaceFacts()
        self._test_command = test_command

    def facts(self) -> WorkspaceFacts:
        return self.known

    def hints(self) -> tuple[str, ...]:
        return ()

    def base_suite(self) -> BaseSuite | None:
        return self.suite

    def run(self, command: str, *, timeout_s: float | None = None) -> CommandResult:
        self.commands.append(command)
        began = time.monotonic()
        try:
            done = subprocess.run(
                ["bash", "-o", "pipefail", "-c", command],
                cwd=self.root,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired as exc:
            output = (exc.stdout or b"").decode(errors="replace")
            return CommandResult(command=command, exit_code=124, output=output, seconds=timeout_s or 0, timed_out=True)
        output = done.stdout.decode("utf-8", "surrogateescape")
        return CommandResult(
            command=command, exit_code=done.returncode, output=output, seconds=time.monotonic() - began
        )

    def test(self, only: Sequence[str] = ()) -> CommandResult | None:
        if not self._test_command or (only and "pytest" not in self._test_command):
            return None
        return self.run(" ".join([self._test_command, *only]))

    def is_accepted(self) -> bool:
        return False

    def changes(self) -> str | None:
        if not (self.root / ".git").exists():
            return None
        subprocess.run(["git", "add", "--intent-to-add", "--all"], cwd=self.root, check=True)
        listed = subprocess.run(
            ["git", "diff", "--name-status", "HEAD"], cwd=self.root, capture_output=True, text=True, check=True
        ).stdout
        return "".join(f"{line.replace(chr(9), ' ')} +1 -1\n" for line in listed.splitlines())

    def diff(self) -> str:
        if not (self.root / ".git").exists():
            return ""
        subprocess.run(["git", "add", "--intent-to-add", "--all"], cwd=self.root, check=True)
        return subprocess.run(["git", "diff", "HEAD"], cwd=self.root, capture_output=True, text=True, check=True).stdout

    def tree_id(self) -> str:
        found = hashlib.sha256()
        for path in sorted(self.root.rglob("*")):
            if path.is_file() and ".git" not in path.parts and "__pycache__" not in path.parts:
                found.update(f"{path}\0".encode() + path.read_bytes() + b"\0")
        return found.hexdigest()

    def least_change(self, changes: Sequence[Mapping[str, str]]) -> LeastChange | None:
        self.compared = [dict(change) for change in changes]
        return self.least


def call(name: str, **arguments: object) -> Reply:
    """A reply with one native tool call."""
    return calls((name, arguments))


def calls(*wanted: tuple[str, dict[str, object]], text: str = "") -> Reply:
    """A reply with native tool calls."""
    made = tuple(
        ToolCall(id=f"c{index}", name=name, arguments=json.dumps(arguments))
        for index, (name, arguments) in enumerate(wanted)
    )
    return Reply(text=text, tool_calls=made, finish_reason="tool_calls")


def run(
    workspace: RealWorkspace,
    model: Model,
    *,
    task: str = "do it",
    strategy: str = "shell",
    stop: Callable[[], StopReason | None] = lambda: None,
    steps: list[Step] | None = None,
    test_command: str = "",
    history: Sequence[Step] = (),
    **options: object,
) -> Trajectory:
    """Run a candidate; each step's commit is its number as an id."""
    kept = steps if steps is not None else []

    def keep(step: Step) -> Oid:
        kept.append(step)
        return Oid(f"{step.number:040x}")

    candidate = CandidateInput(
        task=Task(text=task, test_command=test_command),
        history=tuple(history),
        **options,  # type: ignore[arg-type]
    )
    return run_candidate(candidate, workspace, model, strategy=strategy, on_step=keep, stop=stop)
