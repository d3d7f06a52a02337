"""The resident process that starts commands: a fork of it costs a tenth of what starting an interpreter does.

Runs by `python -I -S` with an empty environment and imports only what starts fast. Requests come through a socket, each
with the descriptors that the command gets. It adopts orphans, so that a daemon can't leave the tree, and nothing of a
command is left when its status goes back. When git-mimo ends, however it ends, the socket closes: what runs is
killed, the control group goes, and so does this process.
"""

import array
import fcntl
import gc
import marshal
import os
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from gitmimo.sandbox.confine import IS_LINUX, adopt_orphans, become_command, die_with, shell_status

SIZE = struct.Struct("=I")
STATUS = struct.Struct("=i")
RUN, STOP, QUIT = b"r", b"s", b"q"  # QUIT: end at once, the group is removed elsewhere
MOST_FDS = 64
_CLOSE_ON_EXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
_IGNORED_HERE = (signal.SIGPIPE, signal.SIGXFSZ)  # by Python; an exec would hand that on
_TERM_S = 1.0  # between SIGTERM to the command and SIGKILL to all


def main(arguments: Sequence[str]) -> None:
    """Answer requests until the other end closes; arguments are the socket's descriptor and our group, if any."""
    channel = socket.socket(fileno=int(arguments[0]))
    channel.set_inheritable(False)
    group = arguments[1]
    if group:
        with open(f"{group}/cgroup.procs", "w", encoding="ascii") as file:  # noqa: PTH123
            file.write("0")
    adopt_orphans()
    gc.disable()
    gc.freeze()  # a fork copies every page that a count of references on it changes
    ended, wake = os.pipe()
    os.set_blocking(ended, False)
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    while True:
        request = _receive(channel)
        if request is None:
            _leave(group)
        try:
            status = _run(*request, channel, ended)
        except _Gone:
            _leave(group)
        channel.sendall(STATUS.pack(status))


class _Gone(Exception):  # noqa: N818
    """The other end has closed."""


def _receive(channel: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """The next request with its descriptors, or None at the end."""
    word = STOP
    while word == STOP:  # for a command that had ended meanwhile
        word, ancillary, _, _ = channel.recvmsg(1, socket.CMSG_SPACE(MOST_FDS * 4), _CLOSE_ON_EXEC)
    if word == QUIT:
        os._exit(0)
    fds = array.array("i")
    for _, _, data in ancillary:
        fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
    size = _receive_bytes(channel, SIZE.size)
    body = _receive_bytes(channel, SIZE.unpack(size)[0]) if size else b""
    # both ends are the same interpreter, and nobody else has the socket
    return (marshal.loads(body), list(fds)) if body else None


def _receive_bytes(channel: socket.socket, wanted: int) -> bytes:
    """Exactly so many, or none when the other end has closed."""
    found = bytearray()
    while len(found) < wanted:
        chunk = channel.recv(min(1 << 16, wanted - len(found)))
        if not chunk:
            return b""
        found += chunk
    return bytes(found)


def _run(request: Mapping[str, Any], fds: list[int], channel: socket.socket, ended: int) -> int:
    """Start the command, wait for its end, a word to stop it or the end of git-mimo, and kill what it left."""
    # out of the way: a descriptor that came may have the number of another's target
    lowest = max(*request["fds"], *fds) + 1
    inner = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, lowest) for fd in fds]
    fds += inner
    try:
        child = _spawn(request, inner) if request["options"] is None else _fork(request, inner)
    except OSError as error:
        os.write(inner[0], request["name"] + f": cannot start: {error.strerror}\n".encode())
        child = 0
    for fd in fds:
        os.close(fd)
    if not child:
        return 126
    status, deadline = None, float("inf")
    poll = select.poll()
    poll.register(channel, select.POLLIN)
    poll.register(ended, select.POLLIN)
    while status is None and time.monotonic() < deadline:
        timeout_ms = None if deadline == float("inf") else max(0.0, deadline - time.monotonic()) * 1000
        for fd, _ in poll.poll(timeout_ms):
            if fd == ended:
                _drain(ended)
                status = _reap(child)
            elif deadline == float("inf"):
                if channel.recv(1) != STOP:
                    _end_all()
                    raise _Gone
                deadline = time.monotonic() + _TERM_S
                _signal_group(child, signal.SIGTERM)
            else:
                poll.unregister(channel)  # the end of git-mimo is seen a second later
    if status is None:
        _signal_group(child, signal.SIGKILL)
    _end_all()
    return 128 + signal.SIGTERM if deadline < float("inf") or status is None else status


def _spawn(request: Mapping[str, Any], inner: Sequence[int]) -> int:
    """A program that confines itself; it copies nothing of this process, which a fork does."""
    targets = [(os.POSIX_SPAWN_DUP2, source, target) for source, target in zip(inner, request["fds"], strict=True)]
    return os.posix_spawn(
        request["argv"][0],
        request["argv"],
        request["env"],
        file_actions=[(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0), *targets, (os.POSIX_SPAWN_DUP2, 1, 2)],
        setsid=True,
        setsigdef=_IGNORED_HERE,
    )


def _fork(request: Mapping[str, Any], inner: Sequence[int]) -> int:
    """A fork that becomes the command, limited and confined."""
    starter = os.getpid()
    child = os.fork()
    if child == 0:
        try:
            _be_child(request, inner, starter)
        finally:
            os._exit(126)
    return child


def _be_child(request: Mapping[str, Any], inner: Sequence[int], starter: int) -> NoReturn:
    os.setsid()
    die_with(starter, signal.SIGKILL)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    for source, target in zip(inner, request["fds"], strict=True):
        os.dup2(source, target)
    os.dup2(1, 2)
    _close_all_but(set(request["fds"]))
    try:
        os.chdir(request["cwd"])
        become_command(request["argv"], request["env"], request["options"])
    except OSError as error:
        os.write(2, request["name"] + f": cannot start: {error.strerror}\n".encode())
    os._exit(126)


def _close_all_but(kept: set[int]) -> None:
    """A child that doesn't exec, the first process of a namespace, must not hold our socket either."""
    first = 3
    for fd in sorted(fd for fd in kept if fd >= first):
        if fd > first:  # an empty range would be all to the end
            os.closerange(first, fd)
        first = fd + 1
    os.closerange(first, 1 << 20)


def _drain(fd: int) -> None:
    try:
        while os.read(fd, 4096):
            pass
    except BlockingIOError:
        pass


def _reap(child: int) -> int | None:
    """Take every process that has ended; the child's status as a shell says it, once it is among them."""
    found = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if pid == 0:
            return found
        if pid == child:
            found = shell_status(status)


def _end_all() -> None:
    """SIGKILL every descendant until none is left; this process adopts orphans, so none gets away."""
    find = _children
    while True:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
            for pid in find():
                _kill(pid)
            os.waitpid(-1, 0)
        except ChildProcessError:
            return
        find = _descendants


def _signal_group(leader: int, number: int) -> None:
    try:  # noqa: SIM105 contextlib takes a millisecond to import
        os.killpg(leader, number)
    except OSError:
        pass


def _kill(pid: int) -> None:
    try:  # noqa: SIM105
        os.kill(pid, signal.SIGKILL)
    except OSError:
        pass


def _children() -> list[int]:
    """Our own children, where the kernel lists them; usually there is none, or one that is ending."""
    try:
        with open(f"/proc/self/task/{os.getpid()}/children", "rb") as file:  # noqa: PTH123
            return [int(word) for word in file.read().split()]
    except OSError:
        return _descendants()


def _descendants() -> list[int]:
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc") if IS_LINUX else ():  # noqa: PTH208
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123
                    fields = file.read().rpartition(b")")[2].split()
            except OSError:
                continue
            children.setdefault(int(fields[1]), []).append(int(name))
    found: list[int] = []
    queue = [os.getpid()]
    while queue:
        below = children.pop(queue.pop(), [])
        found += below
        queue += below
    return found


def _leave(group: str) -> NoReturn:
    """git-mimo is gone: step out of the group, so that it can be removed, and end."""
    if group:
        try:
            with open(f"{os.path.dirname(group)}/cgroup.procs", "w", encoding="ascii") as file:  # noqa: PTH120, PTH123
                file.write("0")
            os.rmdir(group)  # noqa: PTH106
        except OSError:
            pass  # the next one to make a group removes it
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
