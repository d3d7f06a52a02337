"""What a candidate is told of the place it works in: asked in its sandbox, and read off the base."""

import shlex
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from gitmimo.agent.interface import WorkspaceFacts
from gitmimo.records import CommandResult

_PROGRAMS = (
    *("git", "rg", "fd", "jq", "curl", "make", "cmake", "gcc", "python", "python3", "pytest", "uv", "poetry", "ruff"),
    *("mypy", "node", "npm", "pnpm", "yarn", "tsc", "go", "cargo", "java", "mvn", "gradle", "ruby", "php"),
)
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
    commit: str,
    network: bool,
    protected: tuple[str, ...],
    command_timeout_s: float,
) -> WorkspaceFacts:
    """Facts from what the sandbox answered and from the base's paths; what it didn't answer stays unsaid."""
    lines = answer.output.splitlines()
    system, version = (lines[0].strip(), lines[1].strip()) if len(lines) > 1 else ("", "")
    found = [line.strip() for line in lines[2:] if line.strip() in _PROGRAMS]
    return WorkspaceFacts(
        system=system,
        interpreter=f"{version} at {interpreter}" if interpreter and version else "",
        programs=tuple(found),
        missing=tuple(sorted(_ALWAYS_SAID - set(found))) if found else (),
        network=network,
        commit=commit,
        entries=tuple(_entries(paths)),
        protected=protected,
        command_timeout_s=command_timeout_s,
    )


def _entries(paths: Iterable[str]) -> Iterator[str]:
    """The top of a tree, directories first: those that hold nothing but one directory are shown with it."""
    known = [path for path in paths if not path.startswith(".mimo/")]
    directories = Counter(path.split("/", 1)[0] for path in known if "/" in path)
    for name, count in sorted(directories.items()):
        yield f"{_with_only_child(name, known)}/ ({count})"
    yield from sorted(path for path in known if "/" not in path)


def _with_only_child(directory: str, paths: list[str]) -> str:
    inside = [path.removeprefix(f"{directory}/") for path in paths if path.startswith(f"{directory}/")]
    children = {path.partition("/")[0] for path in inside}
    if len(children) == 1 and all("/" in path for path in inside):
        return _with_only_child(f"{directory}/{children.pop()}", paths)
    return directory
