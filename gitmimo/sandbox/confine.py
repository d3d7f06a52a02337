"""From a fork to a command: limits, namespaces, landlock. What stands in for bubblewrap where it is missing.

Runs in the starter's children, so it imports only what starts fast. Options map a name to its values, all bytes.
"""

import ctypes
import errno
import fcntl
import os
import resource
import signal
import socket
import struct
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS, _PR_SET_CHILD_SUBREAPER, _PR_CAPBSET_DROP = 1, 38, 36, 24
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
_NEWNS, _NEWUTS, _NEWIPC, _NEWUSER, _NEWPID, _NEWNET = 0x20000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000
_MS_RDONLY, _MS_REMOUNT, _MS_BIND, _MS_REC, _MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC = 2, 4, 8
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # one number on every architecture

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, TRUNCATE, IOCTL_DEV = 1, 2, 4, 8, 1 << 14, 1 << 15
_FILE_RIGHTS = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
_READ = EXECUTE | READ_FILE | READ_DIR

_libc = ctypes.CDLL(None, use_errno=True)
IS_LINUX = sys.platform.startswith("linux")
Options = Mapping[str, Sequence[bytes]]


def landlock_abi() -> int:
    """The kernel's landlock version, 0 where there is none."""
    if not IS_LINUX:
        return 0
    return max(0, int(_libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(1))))


def become_command(command: Sequence[bytes], env: Mapping[bytes, bytes], options: Options) -> NoReturn:
    """Turn this fork, which leads its own session, into the command; never returns.

    In a PID namespace three processes stand for it: this one, which waits, the namespace's first, which reaps and
    hands SIGTERM on, and the command, with a process group of its own.
    """
    try:
        isolated = _isolate(options) if "isolate" in options else 0
    except OSError as error:
        _refuse(error)
    if not isolated & _NEWPID:
        _become(command, env, options, isolated)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    first = os.fork()
    if first == 0:
        die_with(0, signal.SIGKILL)
        _mount(b"proc", b"/proc", b"proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
        child = os.fork()
        if child == 0:
            os.setpgid(0, 0)
            _become(command, env, options, isolated)
        signal.signal(signal.SIGTERM, lambda *_: _end_group(child))
        os._exit(_wait_for(child))  # the kernel then ends all others in the namespace
    os._exit(_wait_for(first))


def adopt_orphans() -> None:
    """Make this process the parent of every descendant whose parent has ended."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with(parent: int, number: int) -> None:
    """Ask for a signal at the parent's end; go at once when it has ended already. 0: don't look."""
    _prctl(_PR_SET_PDEATHSIG, int(number))
    if parent and os.getppid() != parent:
        os._exit(137)


def _become(command: Sequence[bytes], env: Mapping[bytes, bytes], options: Options, isolated: int) -> NoReturn:
    """Confine this process and turn it into the command; never returns."""
    try:
        _limit(options, counts_processes=bool(isolated & _NEWUSER))
        _prctl(_PR_SET_NO_NEW_PRIVS, 1)
        if "landlock" in options:
            _confine(options, deny_tcp="no-network" in options and not isolated & _NEWNET)
            _drop_capabilities()
    except OSError as error:
        _refuse(error)
    # Python ignores SIGPIPE and SIGXFSZ, an exec would hand that on
    for number in (signal.SIGTERM, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvpe(command[0], list(command), env)
    except OSError as error:
        os.write(2, command[0] + f": {error.strerror}\n".encode())
    os._exit(127)


def _refuse(error: OSError) -> NoReturn:
    os.write(2, f"git-mimo: cannot confine the command: {error}\n".encode())
    os._exit(126)


def _end_group(leader: int) -> None:
    try:  # noqa: SIM105 contextlib takes a millisecond to import
        os.killpg(leader, signal.SIGTERM)
    except OSError:
        pass


def _wait_for(child: int) -> int:
    """Reap whatever ends until the child does; its status as a shell says it."""
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == child:
            return shell_status(status)


def shell_status(status: int) -> int:
    """What `waitpid` says as an exit code: 128 + the number of a signal."""
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _prctl(option: int, value: int) -> None:
    if IS_LINUX:
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
    """Enter as many new namespaces as the kernel grants; return which. Nothing granted is no error."""
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
    for place in options.get("hide", ()):
        _mount(b"none", place, b"tmpfs", _MS_NOSUID | _MS_NODEV | _MS_RDONLY)
    for source, target in zip(options.get("pointer", ()), options.get("pointer-at", ()), strict=True):
        if _mount(source, target, None, _MS_BIND):
            _mount(b"none", target, None, _MS_BIND | _MS_REMOUNT | _MS_RDONLY)
    return flags


def _mount(source: bytes, target: bytes, kind: bytes | None, flags: int) -> bool:
    return bool(_libc.mount(source, target, kind, ctypes.c_ulong(flags), None) == 0)


def _loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        request = struct.pack("16sh14x", b"lo", 1)  # IFF_UP
        fcntl.ioctl(sock.fileno(), 0x8914, request)  # SIOCSIFFLAGS


def _confine(options: Options, *, deny_tcp: bool) -> None:
    """Allow reading and writing only beneath the named paths. Metadata (stat, chmod, utime) is not covered."""
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
    for path in options.get("rw", ()):
        _allow(ruleset, path, handled & ~IOCTL_DEV)
    for path in options.get("dev", ()):
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


def _call(number: int, *arguments: object) -> int:
    result = int(_libc.syscall(number, *arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
