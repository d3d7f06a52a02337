"""The man page, the command reference and the examples: made from the command line, equal to it, and valid."""

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from gitmimo.cli.help import EXAMPLES
from gitmimo.cli.main import cli
from tests.project import mimo
from tools.manual.__main__ import pages
from tools.manual.entries import Entry, read_entries

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "gitmimo" / "share" / "man" / "man1" / "git-mimo.1"
UPDATE = "run `python -m tools.manual --write`"


@pytest.fixture(scope="module")
def entries() -> tuple[Entry, ...]:
    return read_entries()


def test_every_made_page_is_what_the_command_line_says_now() -> None:
    differing = [str(path) for path, text in pages().items() if (ROOT / path).read_text() != text]
    assert differing == [], UPDATE


def test_every_command_says_what_it_does(entries: tuple[Entry, ...]) -> None:
    wordless = [e.name for e in entries if not e.line and e.path]
    assert wordless == []
    silent = [(e.name, names) for e in entries for names, text in e.options if not text.partition("[")[0]]
    assert silent == []
    assert set(EXAMPLES) - {e.name for e in entries} == set()


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_is_understood(name: str) -> None:
    for line in EXAMPLES[name]:
        words = shlex.split(line, comments=True)
        if words[:2] != ["git", "mimo"]:
            continue
        words = words[2 : next((i for i, word in enumerate(words) if word in ("<", ">")), None)]
        command: click.Command = cli
        context = cli.make_context("git mimo", list(words))
        while isinstance(command, click.Group):
            found, child, rest = command.resolve_command(context, [*context._protected_args, *context.args])
            assert child is not None, line
            command, context = child, child.make_context(found, rest, parent=context)
        if name:
            assert context.command_path == f"git mimo {name}", line


@pytest.mark.parametrize(
    "checker",
    [("groff", "-ww", "-z", "-man", "-Tutf8"), ("mandoc", "-T", "lint", "-W", "error"), ("man", "--warnings", "-l")],
    ids=lambda words: words[0],
)
def test_the_page_is_valid_for_every_formatter(checker: tuple[str, ...]) -> None:
    if shutil.which(checker[0]) is None:
        pytest.skip(f"{checker[0]} is not installed")
    done = subprocess.run([*checker, str(PAGE)], capture_output=True, text=True, check=False, env=_manual())
    assert (done.returncode, done.stderr) == (0, "")
    if checker[0] == "man":
        assert "git mimo start [OPTIONS]" in done.stdout
        assert 'start "add returns the difference instead of the sum; fix it"' in done.stdout


@pytest.mark.parametrize("words", [("help", "mimo"), ("mimo", "--help")], ids=" ".join)
def test_git_finds_the_page(words: tuple[str, ...], tmp_path: Path) -> None:
    if shutil.which("man") is None:
        pytest.skip("man is not installed")
    done = subprocess.run(["git", *words], cwd=tmp_path, env=_manual(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("GIT-MIMO(1)")


def test_the_page_can_be_installed_where_man_looks(tmp_path: Path) -> None:
    """uv links programs into ~/.local/bin but no manual page; `man` looks in the share/man beside it."""
    if shutil.which("man") is None:
        pytest.skip("man is not installed")
    said = mimo("help", "--install-man", cwd=tmp_path, env={"HOME": str(tmp_path), "XDG_DATA_HOME": ""})
    assert said.code == 0, said.err
    (tmp_path / ".local/bin").mkdir(parents=True)
    environment = {name: value for name, value in os.environ.items() if name != "MANPATH"}
    path = f"{tmp_path}/.local/bin:{os.environ['PATH']}"
    found = subprocess.run(
        ["man", "-w", "git-mimo"], env={**environment, "PATH": path, "HOME": str(tmp_path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert found.stdout.strip() == str(tmp_path / ".local/share/man/man1/git-mimo.1")


def _manual() -> dict[str, str]:
    return {**os.environ, "MANPATH": str(ROOT / "gitmimo/share/man"), "MANWIDTH": "100", "LC_ALL": "C.UTF-8"}


@pytest.mark.parametrize(
    ("typed", "code", "said"),
    [
        ("", 129, "Usage: git mimo [OPTIONS] COMMAND"),
        ("memory", 129, "Usage: git mimo memory"),
        ("help memory add", 0, "Usage: git mimo memory add"),
        ("blame -h", 0, "Usage: git mimo why"),
        ("watch -h", 0, "Usage: git mimo attach"),
        ("strat", 129, "error: No such command 'strat'. (Did you mean one of: 'start', 'status'"),
        ("memory serch", 129, "error: No such command 'serch'. Did you mean 'search'?\nhint: git mimo memory -h"),
        ("start --taks x", 129, "Did you mean"),
        ("config set candidate 5", 129, "unknown setting `candidate`; did you mean `candidates`"),
    ],
)
def test_the_command_line_helps_who_errs(typed: str, code: int, said: str, tmp_path: Path) -> None:
    done = mimo(*typed.split(), cwd=tmp_path)
    assert done.code == code
    assert said in done.out + done.err
    assert (done.out == "") == said.startswith(("error", "Did", "unknown"))
