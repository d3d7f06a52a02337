"""The known agents, where their programs are, and which of them the user asked for."""

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gitmimo.agent.external import aider, claude, codex, gemini, mini, opencode
from gitmimo.agent.external.adapter import Adapter
from gitmimo.agent.external.shell_command import adapter_for
from gitmimo.errors import UsageError

MIMO = "mimo"
ADAPTERS: Mapping[str, Adapter] = {
    module.ADAPTER.name: module.ADAPTER for module in (aider, claude, codex, gemini, mini, opencode)
}
_COMMAND = "cmd:"
_MOST = 64
_NAMES = ", ".join([MIMO, *ADAPTERS, 'cmd:"COMMAND"'])


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One candidate's agent; without an adapter it is git-mimo's own."""

    name: str
    adapter: Adapter | None = None


def parse_choices(texts: Sequence[str]) -> tuple[Choice, ...]:
    """Read `NAME`, `NAME:COUNT` and `cmd:COMMAND`, one agent for each candidate. UsageError lists the known ones."""
    found: list[Choice] = []
    for text in texts:
        if text.startswith(_COMMAND):
            found.append(_command(text.removeprefix(_COMMAND)))
            continue
        for part in filter(None, (part.strip() for part in text.split(","))):
            name, _, times = part.partition(":")
            if name != MIMO and name not in ADAPTERS:
                raise UsageError(f"unknown agent: `{name}`", hint=f"one of: {_NAMES}")
            if times and not (re.fullmatch(r"\d{1,3}", times) and 1 <= int(times) <= _MOST):
                raise UsageError(f"not a number of candidates from 1 to {_MOST}: `{part}`", hint=f"--agent {name}:2")
            found += [Choice(name=name, adapter=ADAPTERS.get(name))] * int(times or 1)
    if len(found) > _MOST:
        raise UsageError(f"more than {_MOST} candidates: `{len(found)}`")
    return tuple(found)


def find_program(adapter: Adapter, path: str) -> Path | None:
    """The path of the agent's program on PATH; relative entries of PATH are ignored."""
    places = ":".join(place for place in path.split(":") if place.startswith("/"))
    found = shutil.which(adapter.program, path=places)
    return Path(found) if found else None


def require_program(adapter: Adapter, path: str) -> Path:
    """The agent's program; UsageError with the way to install it."""
    found = find_program(adapter, path)
    if found is None:
        raise UsageError(f"`{adapter.program}` is not on PATH: agent `{adapter.name}`", hint=adapter.install)
    return found


def _command(line: str) -> Choice:
    if not line.strip():
        raise UsageError("the agent's command is empty", hint="--agent 'cmd:./my-agent.sh'")
    return Choice(name="cmd", adapter=adapter_for(line))
