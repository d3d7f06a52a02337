"""A command as argv: strings go to bash, and one that is too long for an argument travels as a file."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gitmimo.errors import CheckError

_ARGUMENT_BYTES = 120_000  # Linux takes 128 KiB for one argument


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandLine:
    """What to start, and the descriptors it must inherit."""

    argv: tuple[str, ...]
    fds: tuple[int, ...] = ()


@contextlib.contextmanager
def command_line(command: str | Sequence[str]) -> Iterator[CommandLine]:
    """Turn a job's command into argv; CheckError when it is empty or holds a NUL."""
    parts = (command,) if isinstance(command, str) else tuple(command)
    if not parts or not parts[0].strip():
        raise CheckError("the command is empty")
    if any("\0" in part for part in parts):
        raise CheckError("the command holds a NUL character")
    if not isinstance(command, str):
        yield CommandLine(argv=parts)
        return
    encoded = command.encode("utf-8", "surrogateescape")
    if len(encoded) < _ARGUMENT_BYTES:
        yield CommandLine(argv=("bash", "-c", command))
        return
    fd = os.memfd_create("script")
    try:
        with os.fdopen(os.dup(fd), "wb") as file:
            file.write(encoded)
        os.lseek(fd, 0, os.SEEK_SET)
        yield CommandLine(argv=("bash", f"/dev/fd/{fd}"), fds=(fd,))
    finally:
        os.close(fd)
