"""Facts about its workspace that a candidate gets: asked in its sandbox, and read from the base."""

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from gitmimo.agent.interface import WorkspaceFacts
from gitmimo.records import CommandResult

_PROGRAMS = (
    *("git", "rg", "fd", "jq", "curl", "make", "cmake", "gcc", "python", "python3", "pytest", "uv", "poetry", "ruff"),
    *("mypy", "node", "npm", "pnpm", "yarn", "tsc", "go", "cargo", "java", "mvn", "gradle", "ruby", "php"),
)
_LEVELS = 3
_FEW = 40  # entries
_ALWAYS_SAID = {"rg", "uv", "node", "npm", "make"}  # what rules of projects often name: said also where it isn't there


def question(interpreter: Path | None) -> str:
    """The shell command that `read_answer` reads the answer of."""
    lines = ["uname -srm"]
    lines.append(f"{shlex.quote(str(interpreter))} --version 2>&1" if interpreter else "echo")
    lines += [f"command -v {name} >/dev/null && echo {name}" for name in _PROGRAMS]
    return "\n".join(lines)


def read_answer(
    answer: CommandResult,
    *,
    interpreter: Path | None,
    paths: Iterable[str],
    known: WorkspaceFacts,
) -> WorkspaceFacts:
    """Add to what is known what the sandbox answered and the base's paths tell; what isn't answered stays unsaid."""
    lines = answer.output.splitlines()
    system, version = (lines[0].strip(), lines[1].strip()) if len(lines) > 1 else ("", "")
    found = [line.strip() for line in lines[2:] if line.strip() in _PROGRAMS]
    return replace(
        known,
        system=system,
        interpreter=f"{version} at {interpreter}" if interpreter and version else "",
        programs=tuple(found),
        missing=tuple(sorted(_ALWAYS_SAID - set(found))) if found else (),
        entries=tuple(_entries([path for path in paths if not path.startswith(".mimo/")])),
    )


def _entries(paths: Sequence[str]) -> list[str]:
    """The top of a tree, directories first; where that is little, the next level of directories too."""
    shown: dict[str, list[str]] = {"": list(paths)}
    for _ in range(_LEVELS):
        opened: dict[str, list[str]] = {}
        for directory, inside in shown.items():
            opened |= _opened(directory, inside)
        if len(opened) > _FEW and shown.keys() != {""}:
            break
        shown = opened
    directories = [f"{name} ({len(inside)})" for name, inside in sorted(shown.items()) if name.endswith("/")]
    return [*directories, *sorted(name for name in shown if not name.endswith("/"))]


def _opened(directory: str, paths: Sequence[str]) -> dict[str, list[str]]:
    """A directory as those in it, with their files; as it is where it holds files of its own, other than at the top."""
    names = {path.removeprefix(directory).partition("/")[0] for path in paths}
    own = {path.removeprefix(directory) for path in paths if "/" not in path.removeprefix(directory)}
    if directory and (own or not directory.endswith("/")):
        return {directory: list(paths)}
    found = {f"{directory}{name}/": [p for p in paths if p.startswith(f"{directory}{name}/")] for name in names - own}
    return found | {f"{directory}{name}": [f"{directory}{name}"] for name in own}
