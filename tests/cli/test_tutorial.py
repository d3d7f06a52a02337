"""docs/tutorial.md is run as it stands, command by command, by a real shell, with a scripted model behind it."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.project import writes
from tests.scripted_server import ScriptedServer

ROOT = Path(__file__).parent.parent.parent
TUTORIAL = ROOT / "docs" / "tutorial.md"
DIFFERS = (
    (r"\b[0-9a-f]{40}\b|\b[0-9a-f]{12}\b|\b[0-9a-f]{7}\b", "ID"),
    (r"\b[0-9][0-9a-z]{9}\b", "SESSION"),
    (r"\b\d{4}-\d\d-\d\d( \d\d:\d\d)?\b", "DATE"),
    (r"\b(\d+h)?(\d+m)?\d+(\.\d+)?s\b", "TIME"),
    (r"\$\d+(\.\d+)?", "MONEY"),
    (r"\b\d+(\.\d)?[kM]? tokens\b", "N tokens"),
    (r"\b(local|openai)/[\w.-]+", "MODEL"),
    (r"\d+ B\b|\d+ kB\b", "SIZE"),
    (r"(?<=\s)\d{3,6}(?=\s)", "N"),
    (r"\s+", " "),
)


@dataclass(frozen=True, slots=True)
class Command:
    """One command of the tutorial, and the lines that it is shown to print."""

    text: str
    shown: tuple[str, ...]


def read_commands(text: str) -> Iterator[Command]:
    """`$ ` begins a command, `> ` goes on with it, everything else was printed by it."""
    for block in re.findall(r"^```console\n(.*?)^```$", text, re.M | re.S):
        for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
            lines = part.splitlines()
            length = next((i for i, line in enumerate(lines[1:], 1) if not line.startswith(">")), len(lines))
            more = [line.removeprefix(">").removeprefix(" ") for line in lines[1:length]]
            yield Command("\n".join([lines[0], *more]), tuple(lines[length:]))


def normal(line: str) -> str:
    """A line without what differs from run to run."""
    for pattern, name in DIFFERS:
        line = re.sub(pattern, name, line)
    return line.strip()


def is_shown_so(shown: tuple[str, ...], printed: str) -> bool:
    """Whether the lines were printed, in this order; a line of dots stands for any number of others."""
    pattern = "".join(
        "(.*\n)*?" if line.strip() == "..." else _one_line(normal(line)) for line in shown if line.strip()
    )
    lines = [normal(line) for line in printed.splitlines() if line.strip()]
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in lines)) is not None


def _one_line(line: str) -> str:
    """Dots at the end of a line stand for the rest of it."""
    return re.escape(line.removesuffix("...")) + (".*\n" if line.endswith("...") else "\n")


@pytest.fixture
def shell(tmp_path: Path, llm_server: ScriptedServer) -> dict[str, str]:
    """The environment of the tutorial's shell: `git mimo` from this checkout, a model that knows the answer."""
    text = TUTORIAL.read_text()
    till = next(c.text for c in read_commands(text) if c.text.startswith("cat > till.py"))
    source = "\n".join(till.splitlines()[1:-1]) + "\n"
    llm_server.scripts["m"] = lambda _: writes({"till.py": source.replace("amount > coin", "amount >= coin")}, "use >=")
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "git-mimo").write_text(f"#!/bin/sh\nPYTHONPATH='{ROOT}' exec '{sys.executable}' -P -m gitmimo \"$@\"\n")
    (folder / "git-mimo").chmod(0o755)
    return {
        # undo records expire, and an ordinary Python buffers
        **{n: v for n, v in os.environ.items() if not n.endswith("_DATE") and n != "PYTHONUNBUFFERED"},
        "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
        "OPENAI_API_BASE": llm_server.base_url,
        "OPENAI_API_KEY": "sk-test-0123456789",
        "GIT_MIMO_MODEL": "openai/m",
        "GIT_MIMO_CRITIC": "none",
        "GIT_MIMO_MAX_TOKENS": "1000000",
    }


def test_every_command_of_the_tutorial_prints_what_is_shown(tmp_path: Path, shell: dict[str, str]) -> None:
    cwd = tmp_path
    for command in read_commands(TUTORIAL.read_text()):
        done = subprocess.run(
            ["bash", "-c", f"exec 2>&1\n{command.text}\n"],
            cwd=cwd, env=shell, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, (command.text, done.stdout)
        if command.text.startswith("mkdir"):
            cwd = tmp_path / "till"
        assert is_shown_so(command.shown, done.stdout), f"$ {command.text}\n{done.stdout}"


def test_a_wrong_line_would_be_seen() -> None:
    assert is_shown_so(("a 1234567890ab", "..."), "a ffffffffffff\nmore\n")
    assert not is_shown_so(("a", "..."), "b\n")
    assert not is_shown_so(("a",), "a\nmore\n")
    assert is_shown_so(("a  ...", "b"), "a and more\nb\n")
    assert not is_shown_so(("...", "merged into main"), "merged into other\n")
