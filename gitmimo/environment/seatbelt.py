"""The sandbox of macOS as a profile text for `sandbox-exec`. Written by its documentation; not tried on a Mac yet."""

from collections.abc import Sequence
from pathlib import Path

from gitmimo.environment.command import Job
from gitmimo.environment.profile import Profile


def seatbelt_profile(job: Job, profile: Profile, temp: Path) -> str:
    """Deny by default what a job must not do: writing outside, reading hidden places, the network.

    Later rules win. Covers files and sockets; does not cover the number of processes or memory, and shows the names of
    other processes.
    """
    writable = [job.work_tree, *job.writable, temp, *([job.private_git] if job.private_git else [])]
    readable = [*profile.readable, *job.readable, *writable]
    rules = [
        "(version 1)",
        "(allow default)",
        "(deny file-write*)",
        f"(deny file-read* {_subpaths(profile.hidden)})" if profile.hidden else "",
        f"(deny file-read* {_literals(profile.masked)})" if profile.masked else "",
        f"(allow file-read* {_subpaths(readable)})",
        f"(allow file-write* {_subpaths(writable)})",
        '(allow file-write* (literal "/dev/null") (literal "/dev/zero") (literal "/dev/tty"))',
        "(allow file-read-metadata)",
    ]
    if not job.network:
        rules += [
            "(deny network*)",
            '(allow network* (local ip "localhost:*") (remote ip "localhost:*"))',
            f"(allow network* {_subpaths(writable)})",
        ]
    if job.private_git:
        # nothing can be bound over the pointer here, so it is at least kept as it is
        rules.append(f"(deny file-write* (literal {_quoted(job.work_tree.resolve() / '.git')}))")
    return "\n".join(rule for rule in rules if rule) + "\n"


def seatbelt_command(profile_text: str, argv: Sequence[str]) -> list[str]:
    """How a command is started under a profile."""
    return ["/usr/bin/sandbox-exec", "-p", profile_text, *argv]


def _subpaths(paths: Sequence[Path]) -> str:
    return " ".join(f"(subpath {_quoted(path.resolve())})" for path in paths)


def _literals(paths: Sequence[Path]) -> str:
    return " ".join(f"(literal {_quoted(path)})" for path in paths)


def _quoted(path: Path) -> str:
    text = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
