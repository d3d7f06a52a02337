"""Completions in real shells: bash and zsh on a terminal, fish by its own `complete -C`."""

import os
import pty
import re
import select
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from gitmimo.cli.manual.completions import WRITERS
from gitmimo.cli.manual.entries import read_entries
from tests.conftest import GitBuilder
from tests.made_session import SESSION, Attempt, make_session, write_journal
from tests.project import PROJECT, RIGHT, mimo

ROOT = Path(__file__).parent.parent.parent
SHARE = ROOT / "gitmimo" / "share"
BASH = SHARE / "bash-completion" / "completions" / "git-mimo"
GITS_OWN = (Path("/usr/share/bash-completion/completions/git"), Path("/etc/bash_completion.d/git"))
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|[\r\x07]")

# what is typed, and what must be offered; `{cwd}` has a session with two candidates, a skill
ASKED: Sequence[tuple[str, str, set[str]]] = (
    ("command", "sta", {"start", "status"}),
    ("option", "start --fan", {"--fanout"}),
    ("choice", "start --fanout ", {"auto", "all"}),
    ("choice after =", "start --fanout=a", {"auto", "all"}),
    ("session", "show ", {SESSION}),
    ("candidate", f"merge {SESSION} ", {"1", "2"}),
    ("candidate after options", f"log --oneline {SESSION} ", {"1", "2"}),
    ("model", "start --model local/", {"local/qwen2.5-coder-0.5b", "local/qwen2.5-coder-1.5b"}),
    ("model after =", "start --model=moon", {"moonshot/kimi-k2.7-code"}),
    ("set model", "start -m openai/m", {"openai/mine"}),
    ("skill", "skill show ", {"add-a-route"}),
    ("group", "memory f", {"forget"}),
    ("setting", "config get candi", {"candidates"}),
    ("provider", "config set --provider deep", {"deepseek"}),
    ("branch", "merge --into fea", {"feature"}),
    ("file", "why cal", {"calc.py"}),
    ("help", "help co", {"config", "cost", "completion"}),
    ("global option first", "-v stat", {"status"}),
)


@pytest.fixture
def project(git: GitBuilder) -> GitBuilder:
    """A repository with something of everything that can be completed."""
    git.commit(PROJECT)
    write_journal(git, make_session(git, [Attempt(steps=[{"calc.py": RIGHT}]), Attempt(steps=[{"calc.py": RIGHT}])]))
    git("branch", "feature")
    git("config", "mimo.model", "openai/mine")
    git.write({".mimo/skills/add-a-route/SKILL.md": "x", ".mimo/MEMORY.md": "- dates are UTC\n"})
    return git


def _need(program: str) -> str:
    return shutil.which(program) or pytest.skip(f"{program} is not installed")


def _ask_bash(project: GitBuilder, lines: Sequence[str]) -> list[set[str]]:
    """Call what bash calls on TAB, with git's own completion where it is installed."""
    own = next((path for path in GITS_OWN if path.exists()), None)
    script = f"source {own}\n" if own else ""
    script += f"source {BASH}\n"
    script += (
        'ask () { COMP_LINE=$1; COMP_POINT=${#1}; COMPREPLY=(); read -ra COMP_WORDS <<<"${1//=/ = }"\n'
        '[[ $1 == *" " || $1 == *= ]] && COMP_WORDS+=(""); COMP_CWORD=$((${#COMP_WORDS[@]}-1))\n'
        "if [ ${COMP_WORDS[0]} = git ]; then __git_wrap__git_main; else _mimo; fi 2>/dev/null\n"
        "(IFS=$'\\t'; echo \"${COMPREPLY[*]}\"); }\n"
    )
    script += "\n".join(f'ask "{line}"' for line in lines if own or not line.startswith("git "))
    done = subprocess.run(["bash", "-c", script], cwd=project.path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [{word.strip() for word in line.split("\t") if word.strip()} for line in done.stdout.splitlines()]


@pytest.mark.parametrize("program", ["git mimo", "git-mimo", "mimo"])
def test_bash_offers_what_fits(project: GitBuilder, program: str) -> None:
    if program == "git mimo" and not any(path.exists() for path in GITS_OWN):
        pytest.skip("git's own completion for bash is not installed")
    found = _ask_bash(project, [f"{program} {typed}" for _, typed, _ in ASKED])
    assert dict(zip((name for name, _, _ in ASKED), found, strict=True)) == {name: want for name, _, want in ASKED}


def test_bash_finds_the_repository_that_git_was_told(project: GitBuilder, tmp_path: Path) -> None:
    if not any(path.exists() for path in GITS_OWN):
        pytest.skip("git's own completion for bash is not installed")
    elsewhere = GitBuilder(tmp_path / "elsewhere")
    assert _ask_bash(elsewhere, [f"git -C {project.path} mimo show ", "git mimo show "]) == [{SESSION}, set()]


def test_fish_offers_what_fits(project: GitBuilder, tmp_path: Path) -> None:
    fish = _need("fish")
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("git-mimo", "mimo"):
        (tools / name).write_text("#!/bin/sh\n")
        (tools / name).chmod(0o755)
    for program in ("git mimo", "git-mimo", "mimo"):
        script = f"source {SHARE}/fish/vendor_conf.d/git-mimo.fish; set -p PATH {tools}\n" + "\n".join(
            f"complete -C '{program} {typed}' | string replace -r '\\t.*' ''; echo ----" for _, typed, _ in ASKED
        )
        done = subprocess.run(
            [fish, "--private", "-c", script], cwd=project.path, capture_output=True, text=True, check=False
        )
        found = [set(part.split()) for part in done.stdout.split("----\n")][: len(ASKED)]
        plain = [{word.rpartition("=")[2] for word in words} for words in found]
        assert dict(zip((name for name, _, _ in ASKED), plain, strict=True)) == {n: want for n, _, want in ASKED}, (
            program,
            done.stderr,
        )


class Terminal:
    """A shell on a terminal of its own."""

    def __init__(self, arguments: Sequence[str], cwd: Path) -> None:
        self.child, self.file = pty.fork()
        if not self.child:
            os.chdir(cwd)
            os.execvpe(arguments[0], arguments, {**os.environ, "TERM": "dumb", "COLUMNS": "200", "PS1": "> "})

    def type(self, text: str) -> None:
        os.write(self.file, text.encode())

    def read_until(self, *words: str, wait_s: float = 30.0) -> str:
        """What came until each of the words was seen, between blanks."""
        seen, end = "", time.monotonic() + wait_s
        while not all(re.search(rf"(?<!\S){re.escape(word)}(?!\S)", seen) for word in words):
            assert time.monotonic() < end, (words, seen)
            if select.select([self.file], [], [], 0.1)[0]:
                seen += ESCAPES.sub("", os.read(self.file, 65536).decode(errors="replace"))
        return seen

    def close(self) -> None:
        os.close(self.file)
        os.waitpid(self.child, 0)


def test_zsh_offers_what_fits(project: GitBuilder, tmp_path: Path) -> None:
    zsh = _need("zsh")
    terminal = Terminal([zsh, "-f", "-i"], project.path)
    try:
        terminal.type(
            f"fpath=({SHARE}/zsh/site-functions $fpath); autoload -Uz compinit; compinit -u -d {tmp_path}/dump\n"
            "bindkey '^O' list-choices; zstyle ':completion:*' list-separator '#'; echo re''ady\n"
        )
        terminal.read_until("ready")
        for program in ("git mimo", "git-mimo", "mimo"):
            for name, typed, want in ASKED:
                terminal.type(f"{program} {typed}\x0f")
                seen = terminal.read_until(*want)
                wrong = {
                    word for _, other, words in ASKED if other != typed for word in words - want - set(typed.split())
                }
                assert not wrong & set(re.sub(r"#[^\n]*", "", seen.partition(typed)[2]).split()), (program, name)
                terminal.type("\x15echo re''ady\n")
                terminal.read_until("ready")
    finally:
        terminal.close()


def test_bash_completes_on_a_terminal_and_starts_no_python(project: GitBuilder, tmp_path: Path) -> None:
    """With TAB itself. `git-mimo` on this PATH leaves a mark when it is started."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("git-mimo", "mimo", "python", "python3"):
        (tools / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
        (tools / name).chmod(0o755)
    terminal = Terminal(["bash", "--norc", "--noprofile", "-i"], project.path)
    try:
        terminal.type(f"PATH={tools}:$PATH; source {BASH}; bind 'set bell-style none'; echo re''ady\n")
        terminal.read_until("ready")
        terminal.type("mimo ski\tsho\tadd\t")
        terminal.read_until("add-a-route")
        terminal.type("\x15mimo start --fano\tal\t")
        terminal.read_until("--fanout", "all")
    finally:
        terminal.close()
    assert not (tmp_path / "started").exists()


def test_the_command_prints_the_files_that_are_installed(project: GitBuilder) -> None:
    entries = read_entries()
    for shell, write in WRITERS.items():
        assert mimo("completion", shell, cwd=project.path).out == write(entries)
