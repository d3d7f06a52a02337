"""Shell commands of a trajectory as argument lists, where they are that simple and worth repeating."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

_SHELL_WORDS = re.compile(r"[|<>`$*?;&(){}\n~#!\\]|\[[^\]]*\]")
# what these do to files is said better by the files themselves
_FILE_TOOLS = frozenset(
    ("sed", "awk", "echo", "cat", "printf", "tee", "mkdir", "cp", "mv", "rm", "touch", "perl", "ed", "patch", "git")
    + ("ln", "dd", "truncate", "install", "rsync", "unlink", "rmdir", "sort", "head", "tail", "tr", "cut", "chmod")
)
# what these do needs a network, a terminal, or changes the machine and not the project
_NOT_REPEATED = frozenset(
    ("curl", "wget", "ssh", "scp", "sudo", "su", "apt", "apt-get", "brew", "pip", "pip3", "docker", "podman", "vi")
    + ("vim", "nano", "less", "more", "kill", "pkill", "sleep", "export", "source", "set", "unset", "alias", "true")
    + ("env", "xargs", "nohup", "time", "timeout", "find", "exec", "eval", "sh", "bash", "zsh", "dash")
)
_CHECKERS = frozenset(
    ("ls", "pwd", "grep", "rg", "which", "test", "diff", "wc", "file", "stat", "tree", "pytest", "tox")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One program with its arguments, and the directory below the project that it runs in."""

    argv: tuple[str, ...]
    cwd: str = ""


def read_commands(text: str) -> list[Command] | None:
    """Return the programs that a shell command runs one after the other, without those that only look.

    None when it needs a shell, or holds a program whose effect is better said by the files it changed.
    """
    commands: list[Command] = []
    cwd = ""
    for part in re.split(r"\s*&&\s*|\s*;\s*|\n+", text.strip()):
        part = part.strip()
        if not part or part.startswith("#"):
            continue
        if _SHELL_WORDS.search(part):
            return None
        try:
            words = shlex.split(part)
        except ValueError:
            return None
        if not words or re.match(r"[A-Za-z_]\w*=", words[0]):
            return None
        if words[0] == "cd":
            if len(words) != 2 or words[1].startswith(("/", "-")) or ".." in words[1].split("/"):
                return None
            cwd = "/".join(piece for piece in (*cwd.split("/"), *words[1].split("/")) if piece not in ("", "."))
            continue
        program = words[0].rpartition("/")[2]
        if program in _CHECKERS or _is_test_run(words):
            continue
        if program in _FILE_TOOLS or (program in _NOT_REPEATED and not _is_script(words)) or words[0].startswith("/"):
            return None
        if re.match(r"python|node|ruby|php", program) and any(word in ("-c", "-e", "-r", "-") for word in words[1:2]):
            return None
        commands.append(Command(argv=(_portable(words[0]), *words[1:]), cwd=cwd))
    return commands


def program_of(text: str) -> str:
    """Return the program that a shell command starts with, for telling what it was about."""
    words = text.strip().split()
    while words and (re.match(r"[A-Za-z_]\w*=", words[0]) or words[0] in ("cd", "&&") or words[0].endswith("&&")):
        words = words[2:] if words[0] == "cd" else words[1:]
    return words[0].rpartition("/")[2] if words else ""


def _is_script(words: Sequence[str]) -> bool:
    """A shell that runs a script of the project."""
    return words[0] in ("sh", "bash") and len(words) > 1 and not words[1].startswith(("-", "/"))


def _is_test_run(words: Sequence[str]) -> bool:
    return bool(
        re.search(
            r"\b(?:pytest|unittest|tox|nox|jest|vitest|rspec)\b|(?:npm|cargo|go|make) (?:run )?test\b", " ".join(words)
        )
    )


def _portable(program: str) -> str:
    return "python3" if program == "python" else program
