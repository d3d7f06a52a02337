"""The launcher of one command: confine a child (limits, namespaces, landlock, seccomp), wait, end its leftovers.

Runs by `python -I -S` with an empty environment and imports only what starts fast. Options map a name to its values,
all bytes. It adopts orphans, so that a daemon can't leave the tree, and ends everything when git-mimo ends.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import marshal
import os
import resource
import signal
import struct

TYPE_CHECKING = False  # `typing` itself takes longer to import than the rest
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, NoReturn

    Options = Mapping[str, Sequence[bytes]]

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS, _PR_SET_CHILD_SUBREAPER, _PR_CAPBSET_DROP = 1, 38, 36, 24
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, _JOIN_SESSION_KEYRING = 22, 2, 1
_KEYCTL = {"x86_64": 250, "aarch64": 219}
_NEWNS, _NEWUTS, _NEWIPC, _NEWUSER, _NEWPID, _NEWNET = 0x20000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000
_MS_RDONLY, _MS_REMOUNT, _MS_BIND, _MS_REC, _MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18
_AF_INET, _SOCK_DGRAM = 2, 2
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC = 2, 4, 8
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # one number on every architecture

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, TRUNCATE, IOCTL_DEV = 1, 2, 4, 8, 1 << 14, 1 << 15
_FILE_RIGHTS = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
_READ = EXECUTE | READ_FILE | READ_DIR

_libc = ctypes.CDLL(None, use_errno=True)
_IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)  # an exec would hand that on


def landlock_abi() -> int:
    """The kernel's landlock version, 0 where there is none."""
    return max(0, int(_libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(1))))


def main(request_fd: int) -> NoReturn:
    """Run the command that the descriptor describes and exit with its status as a shell says it; never returns."""
    _die_with(os.getppid(), signal.SIGTERM)
    with open(request_fd, "rb") as file:  # noqa: PTH123
        request: dict[str, Any] = marshal.load(file)  # noqa: S302 both ends are the same interpreter
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    launcher = os.getpid()
    child = os.fork()
    if child == 0:
        os.setsid()
        _die_with(launcher, signal.SIGKILL)
        _become_command(request["argv"], request["env"], request["options"])
    signal.signal(signal.SIGTERM, lambda *_: _kill_all())  # git-mimo has ended
    status = _wait_for(child)
    _end_all()
    os._exit(status)


def _become_command(command: Sequence[bytes], env: Mapping[bytes, bytes], options: Options) -> NoReturn:
    """Turn this fork, which is a session leader, into the command; never returns.

    In a PID namespace it takes three processes: this one, which waits, the namespace's first, which reaps, and the
    command, with a process group of its own.
    """
    try:
        granted = _isolate(options) if "isolate" in options else 0
    except OSError as error:
        _refuse(error)
    if not granted & _NEWPID:
        _become(command, env, options, granted)
    first = os.fork()
    if first == 0:
        _die_with(0, signal.SIGKILL)
        _mount(b"proc", b"/proc", b"proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
        child = os.fork()
        if child == 0:
            os.setpgid(0, 0)
            _become(command, env, options, granted)
        os._exit(_wait_for(child))  # the kernel then ends all others in the namespace
    os._exit(_wait_for(first))


def _die_with(parent: int, number: int) -> None:
    """Ask for a signal at the parent's end; go at once when it has ended already. 0: don't look."""
    _prctl(_PR_SET_PDEATHSIG, int(number))
    if parent and os.getppid() != parent:
        os._exit(137)


def _become(command: Sequence[bytes], env: Mapping[bytes, bytes], options: Options, granted: int) -> NoReturn:
    """Confine this process and turn it into the command; never returns."""
    try:
        _limit(options, counts_processes=bool(granted & _NEWUSER))
        _prctl(_PR_SET_NO_NEW_PRIVS, 1)
        if "landlock" in options:
            _join_new_keyring()
            _confine(options, granted)
            _drop_capabilities()
        for program in options.get("seccomp", ()):
            _filter_calls(program)
    except OSError as error:
        _refuse(error)
    for number in _IGNORED_BY_PYTHON:
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvpe(command[0], list(command), env)
    except OSError as error:
        os.write(2, command[0] + f": {error.strerror}\n".encode())
    os._exit(127)


def _refuse(error: OSError) -> NoReturn:
    os.write(2, f"git-mimo: cannot confine the command: {error}\n".encode())
    os._exit(126)


def _wait_for(child: int) -> int:
    """Reap whatever ends until the child does; its status as a shell says it: 128 + the number of a signal."""
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def _end_all() -> None:
    """SIGKILL every descendant until none is left; this process adopts orphans, so none gets away."""
    try:
        while True:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
            _kill_all()
            os.waitpid(-1, 0)
    except ChildProcessError:
        return


def _kill_all() -> None:
    for pid in _descendants():
        try:  # noqa: SIM105 contextlib takes a millisecond to import
            os.kill(pid, signal.SIGKILL)
        except OSError:
            pass


def _descendants() -> list[int]:
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208
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


def _prctl(option: int, value: int) -> None:
    _libc.prctl(option, value, 0, 0, 0)


def _limit(options: Options, *, counts_processes: bool) -> None:
    """Set the limits; processes are counted per user, so that limit has a meaning in a user namespace only."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for name, kind in (
        ("data", resource.RLIMIT_DATA),
        ("fsize", resource.RLIMIT_FSIZE),
        ("nproc", resource.RLIMIT_NPROC),
    ):
        if name in options and (name != "nproc" or counts_processes):
            wanted = int(options[name][0])
            hard = resource.getrlimit(kind)[1]
            wanted = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
            resource.setrlimit(kind, (wanted, wanted))


def _isolate(options: Options) -> int:
    """Enter as many new namespaces as the kernel grants; return which. Nothing granted is no error.

    The one for mounts counts as granted when /dev/shm and the terminals inside are this command's own.
    """
    wanted = _NEWNS | _NEWIPC | _NEWPID | (_NEWNET if "no-network" in options else 0)
    uid, gid = os.geteuid(), os.getegid()
    for flags in (wanted, wanted | _NEWUSER):
        if _libc.unshare(flags) == 0:
            break
    else:
        return 0
    if flags & _NEWUSER:
        for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
            with open(f"/proc/self/{name}", "w", encoding="ascii") as file:  # noqa: PTH123
                file.write(text)
    if flags & _NEWNET:
        _loopback_up()
    _mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE)
    for covered in options.get("cover", ()):
        _mount(b"none", covered, b"tmpfs", _MS_NOSUID | _MS_NODEV | _MS_RDONLY)
    flags = flags if _make_devices() else flags & ~_NEWNS
    for source, target in zip(options.get("pointer", ()), options.get("pointer-at", ()), strict=True):
        if _mount(source, target, None, _MS_BIND):
            _mount(b"none", target, None, _MS_BIND | _MS_REMOUNT | _MS_RDONLY)
    return flags


def _make_devices() -> bool:
    """Mount private shared memory and terminals."""
    flags = _MS_NOSUID | _MS_NOEXEC
    return (
        _mount(b"none", b"/dev/shm", b"tmpfs", _MS_NOSUID | _MS_NODEV, b"mode=1777")
        and _mount(b"devpts", b"/dev/pts", b"devpts", flags, b"newinstance,ptmxmode=0666,mode=0620")
        and _mount(b"/dev/pts/ptmx", b"/dev/ptmx", None, _MS_BIND)
    )


def _mount(source: bytes, target: bytes, kind: bytes | None, flags: int, data: bytes | None = None) -> bool:
    return bool(_libc.mount(source, target, kind, ctypes.c_ulong(flags), data) == 0)


def _loopback_up() -> None:
    sock = int(_libc.socket(_AF_INET, _SOCK_DGRAM, 0))  # the module `socket` takes a third of the launcher's start
    if sock < 0:
        raise OSError(ctypes.get_errno(), "socket")
    try:
        fcntl.ioctl(sock, 0x8914, struct.pack("16sh14x", b"lo", 1))  # SIOCSIFFLAGS, IFF_UP
    finally:
        os.close(sock)


def _confine(options: Options, granted: int) -> None:
    """Allow reading and writing only beneath the named paths. Metadata (stat, chmod, utime) is not covered."""
    deny_tcp = "no-network" in options and not granted & _NEWNET
    own = granted & _NEWNS
    abi = landlock_abi()
    if not abi:
        raise OSError(errno.ENOSYS, "landlock is not there")
    handled = (1 << 13) - 1  # version 1
    handled |= (1 << 13 if abi >= 2 else 0) | (TRUNCATE if abi >= 3 else 0) | (IOCTL_DEV if abi >= 5 else 0)
    parts = [handled]
    if abi >= 4:
        parts.append(3 if deny_tcp else 0)  # bind, connect
    if abi >= 6:
        parts.append(3)  # abstract sockets and signals end at the border
    attributes = struct.pack(f"{len(parts)}Q", *parts)
    ruleset = _call(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint32(0))
    for path in options.get("ro", ()):
        _allow(ruleset, path, _READ & handled)
    for path in (*options.get("rw", ()), *((b"/dev/shm",) if own else ())):
        _allow(ruleset, path, handled & ~IOCTL_DEV)
    for path in (*options.get("dev", ()), *((b"/dev/pts", b"/dev/ptmx") if own else ())):
        _allow(ruleset, path, handled & (READ_FILE | WRITE_FILE | READ_DIR | IOCTL_DEV | TRUNCATE))
    _call(_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0))
    os.close(ruleset)


def _allow(ruleset: int, path: bytes, rights: int) -> None:
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what isn't there needs no permission
    try:
        if not os.path.isdir(path):  # noqa: PTH112
            rights &= _FILE_RIGHTS
        _call(_ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(1), struct.pack("=Qi", rights, fd), ctypes.c_uint32(0))
    finally:
        os.close(fd)


def _drop_capabilities() -> None:
    _libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    for capability in range(64):
        if _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) != 0 and ctypes.get_errno() == errno.EINVAL:
            break
    header = struct.pack("Ii", 0x20080522, 0)
    if _libc.capset(header, struct.pack("6I", *([0] * 6))) != 0:
        raise OSError(ctypes.get_errno(), "capabilities stay")


def _join_new_keyring() -> None:
    """Leave the person's session key ring for an empty one. A kernel without key rings has none to leave."""
    number = _KEYCTL.get(os.uname().machine)
    if number is not None:
        _libc.syscall(number, _JOIN_SESSION_KEYRING, None)


def _filter_calls(program: bytes) -> None:
    """Install a seccomp program, given as an array of `struct sock_filter`."""
    lines = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(lines))
    if _libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, header, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "system calls cannot be filtered")


def _call(number: int, *arguments: object) -> int:
    result = int(_libc.syscall(number, *arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
