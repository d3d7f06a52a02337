"""The requirements of a skill: files and versions of tools, recorded when it is made, checked when it is loaded."""

import re
import subprocess
from collections.abc import Iterable

from gitmimo.git.repository import Repository
from gitmimo.git.run import clean_environment
from gitmimo.memory.skill_file import Skill

_TOOLS = (
    "python3",
    "python",
    "node",
    "npm",
    "cargo",
    "go",
    "docker",
    "podman",
    "make",
    "uv",
    "ruby",
    "java",
    "sqlite3",
)
_KEY = "git-mimo.tools"
_PATH = re.compile(r"^- \[ \] `([^`*]+)`", re.MULTILINE)


def note_tools(commands: Iterable[str]) -> dict[str, str]:
    """Return the metadata that records the versions of the tools which these commands start."""
    names = sorted({word for command in commands for word in re.findall(r"[\w.-]+", command) if word in _TOOLS})
    found = " ".join(f"{name}={version}" for name in names if (version := _version(name)))
    return {_KEY: found} if found else {}


def unmet_requirements(repository: Repository, commit: str, skill: Skill) -> tuple[str, ...]:
    """Return the skill's dependencies that differ here, one phrase each; nothing when all match."""
    reasons = []
    for path in _PATH.findall(skill.body):
        if repository.find_entry(commit, path) is None:
            reasons.append(f"`{path}` is no longer there")
    for pair in skill.metadata.get(_KEY, "").split():
        name, _, before = pair.partition("=")
        now = _version(name) if name in _TOOLS else before
        if now != before:
            reasons.append(f"it was made with {name} {before}, here is {now or 'none'}")
    return tuple(reasons)


def _version(tool: str) -> str:
    """The tool's version, two numbers; empty when it isn't there or doesn't say."""
    argument = "version" if tool == "go" else "--version"
    try:
        done = subprocess.run(
            [tool, argument], capture_output=True, text=True, timeout=5, check=False, env=clean_environment()
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    found = re.search(r"\d+\.\d+", done.stdout + done.stderr)
    return found[0] if found else ""
