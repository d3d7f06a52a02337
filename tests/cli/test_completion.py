"""Completions in real shells: bash and zsh on a terminal, fish by its own `complete -C`."""

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.conftest import GitBuilder
from tests.made_session import SESSION, Attempt, make_session, write_journal
from tests.project import PROJECT, RIGHT, mimo

ROOT = Path(__file__).parent.parent.parent
SCRIPTS = ROOT / "gitmimo" / "share" / "completions"
BASH = SCRIPTS / "git-mimo.bash"
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
    ("candidate after options", f"log --full {SESSION} ", {"1", "2"}),
    ("model", "start --model local/", {"local/qwen2.5-coder-0.5b", "local/qwen2.5-coder-1.5b"}),
    ("model after =", "start --model=moon", {"moonshot/kimi-k2.7-code"}),
    ("set model", "start -m openai/m", {"openai/mine"}),
    ("skill", "skill show ", {"add-a-route"}),
    ("group", "memory f", {"forget"}),
    ("setting", "config get candi", {"candidates"}),
    ("provider", "config set --provider deep", {"deepseek"}),
    ("branch", "merge --into fea", {"feature"}),
    ("file", "why cal", {"calc.py"}),
    ("global option first", "-v stat", {"status"}),
)

# what shells quote and split each in their own way; the rest is the same program behind all of them
BY_SHELL = ("command", "choice after =", "session", "candidate after options", "model", "file", "global option first")
SOME = [asked for asked in ASKED if asked[0] in BY_SHELL]
# one script: the names differ in how it starts
PROGRAMS = {"git mimo": SOME, "git-mimo": ASKED[:1], "mimo": ASKED[:1]}


@pytest.fixture
def project(git: GitBuilder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GitBuilder:
    """A repository with something of everything that can be completed, and git-mimo by its names on the PATH."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("git-mimo", "mimo"):
        (tools / name).write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m gitmimo "$@"\n')
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
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


@pytest.mark.parametrize("program", PROGRAMS)
def test_bash_offers_what_fits(project: GitBuilder, program: str) -> None:
    if program == "git mimo" and not any(path.exists() for path in GITS_OWN):
        pytest.skip("git's own completion for bash is not installed")
    asked = ASKED if program == "git mimo" else PROGRAMS[program]
    found = _ask_bash(project, [f"{program} {typed}" for _, typed, _ in asked])
    assert dict(zip((name for name, _, _ in asked), found, strict=True)) == {name: want for name, _, want in asked}


def test_bash_finds_the_repository_that_git_was_told(project: GitBuilder, tmp_path: Path) -> None:
    if not any(path.exists() for path in GITS_OWN):
        pytest.skip("git's own completion for bash is not installed")
    elsewhere = GitBuilder(tmp_path / "elsewhere")
    assert _ask_bash(elsewhere, [f"git -C {project.path} mimo show ", "git mimo show "]) == [{SESSION}, set()]


def test_fish_offers_what_fits(project: GitBuilder) -> None:
    fish = _need("fish")
    for program, asked in PROGRAMS.items():
        script = f"source {SCRIPTS}/git-mimo.fish\n" + "\n".join(
            f"complete -C '{program} {typed}' | string replace -r '\\t.*' ''; echo ----" for _, typed, _ in asked
        )
        done = subprocess.run(
            [fish, "--private", "-c", script], cwd=project.path, capture_output=True, text=True, check=False
        )
        found = [set(part.split()) for part in done.stdout.split("----\n")][: len(asked)]
        plain = [{word.rpartition("=")[2] for word in words} for words in found]
        assert dict(zip((name for name, _, _ in asked), plain, strict=True)) == {n: want for n, _, want in asked}, (
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
    functions = tmp_path / "functions"
    functions.mkdir()
    shutil.copy(SCRIPTS / "git-mimo.zsh", functions / "_git-mimo")
    terminal = Terminal([zsh, "-f", "-i"], project.path)
    try:
        terminal.type(
            f"fpath=({functions} $fpath); autoload -Uz compinit; compinit -u -d {tmp_path}/dump\n"
            "bindkey '^O' list-choices; zstyle ':completion:*' list-separator '#'; echo re''ady\n"
        )
        terminal.read_until("ready")
        for program, asked in PROGRAMS.items():
            for name, typed, want in asked:
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


def test_bash_completes_on_a_terminal(project: GitBuilder) -> None:
    """With TAB itself."""
    terminal = Terminal(["bash", "--norc", "--noprofile", "-i"], project.path)
    try:
        terminal.type(f"source {BASH}; bind 'set bell-style none'; echo re''ady\n")
        terminal.read_until("ready")
        terminal.type("mimo ski\tsho\tadd\t")
        terminal.read_until("add-a-route")
        terminal.type("\x15mimo start --fano\tal\t")
        terminal.read_until("--fanout", "all")
    finally:
        terminal.close()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_command_prints_the_script_of_a_shell(project: GitBuilder, shell: str) -> None:
    assert mimo("completion", shell, cwd=project.path).out == (SCRIPTS / f"git-mimo.{shell}").read_text()


def test_what_cannot_be_completed_is_silent(tmp_path: Path) -> None:
    """Outside a repository, and after a command that does not exist."""
    assert mimo("complete", "--", "show", "", cwd=tmp_path).out == ""
    assert mimo("complete", "--", "nothing", "", cwd=tmp_path).out == ""
