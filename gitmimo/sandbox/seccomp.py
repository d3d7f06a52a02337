"""The system calls that no command in a sandbox needs, as a seccomp program for the kernel.

Refused: mounting in every form, new and foreign namespaces, io_uring, key rings, bpf, perf events, userfaultfd, kernel
modules, clocks and other settings of the machine, sockets of rare families, and typing into a terminal. ptrace stays,
for debuggers and leak checkers: a sandbox can see its own processes only. Calls of another instruction set (32-bit
programs) are refused as a whole.
"""

import errno
import platform
import struct
from dataclasses import dataclass

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT, _SECOND_ARGUMENT = 0, 4, 16, 24
_X32_BIT = 0x40000000
# CLONE_NEW*: mounts, control groups, host name, IPC, users, processes, network; time has a meaning in unshare only
_NEW_NAMESPACE = 0x7E020000
_NEW_TIME_NAMESPACE = 0x80
_TERMINAL_INPUT = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX
_SOCKET_FAMILIES = (0, 1, 2, 10, 16)  # unspecified, unix, IPv4, IPv6, netlink

# x86_64, aarch64
_REFUSED = {
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "setns": (308, 268),
    "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430), "fsconfig": (431, 431),
    "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442), "open_tree_attr": (467, 467),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219), "bpf": (321, 280),
    "perf_event_open": (298, 241), "userfaultfd": (323, 282), "open_by_handle_at": (304, 265),
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106), "kexec_load": (246, 104),
    "kexec_file_load": (320, 294), "reboot": (169, 142), "swapon": (167, 224), "swapoff": (168, 225),
    "acct": (163, 89), "settimeofday": (164, 170), "clock_settime": (227, 112), "sethostname": (170, 161),
    "setdomainname": (171, 162), "quotactl": (179, 60), "quotactl_fd": (443, 443), "syslog": (103, 116),
    "vhangup": (153, 58), "lookup_dcookie": (212, 18),
}  # fmt: skip
# a program that asks finds "not there" and goes another way
_ABSENT = {"io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427)}
_ABSENT["clone3"] = (435, 435)  # its flags lie in memory, where a filter can't look; libc then calls clone
_X86_ONLY = {"iopl": 172, "ioperm": 173}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Machine:
    audit_name: int
    column: int
    clone: int
    unshare: int
    socket: int
    ioctl: int


_MACHINES = {
    "x86_64": _Machine(audit_name=0xC000003E, column=0, clone=56, unshare=272, socket=41, ioctl=16),
    "aarch64": _Machine(audit_name=0xC00000B7, column=1, clone=220, unshare=97, socket=198, ioctl=29),
}


def filter_program(machine: str = platform.machine()) -> bytes | None:
    """The program as an array of `struct sock_filter`; None for a processor whose numbers aren't known here."""
    known = _MACHINES.get(machine)
    if known is None:
        return None
    lines = [(_LOAD, 0, 0, _ARCHITECTURE), (_EQUAL, 1, 0, known.audit_name), _refuse(errno.ENOSYS)]
    lines += [(_LOAD, 0, 0, _NUMBER)]
    if machine == "x86_64":
        lines += [(_AT_LEAST, 0, 1, _X32_BIT), _refuse(errno.ENOSYS)]
        lines += [line for number in _X86_ONLY.values() for line in ((_EQUAL, 0, 1, number), _refuse(errno.EPERM))]
    for table, code in ((_REFUSED, errno.EPERM), (_ABSENT, errno.ENOSYS)):
        for numbers in table.values():
            lines += [(_EQUAL, 0, 1, numbers[known.column]), _refuse(code)]
    lines += _with_argument(known.clone, _FIRST_ARGUMENT, [(_ANY_BIT, 0, 1, _NEW_NAMESPACE), _refuse(errno.EPERM)])
    unshared = _NEW_NAMESPACE | _NEW_TIME_NAMESPACE
    lines += _with_argument(known.unshare, _FIRST_ARGUMENT, [(_ANY_BIT, 0, 1, unshared), _refuse(errno.EPERM)])
    typing = [line for code in _TERMINAL_INPUT for line in ((_EQUAL, 0, 1, code), _refuse(errno.EPERM))]
    lines += _with_argument(known.ioctl, _SECOND_ARGUMENT, typing)
    families = [line for code in _SOCKET_FAMILIES for line in ((_EQUAL, 0, 1, code), (_RETURN, 0, 0, _ALLOW))]
    lines += _with_argument(known.socket, _FIRST_ARGUMENT, [*families, _refuse(errno.EAFNOSUPPORT)])
    lines += [(_RETURN, 0, 0, _ALLOW)]
    return b"".join(struct.pack("=HBBI", *line) for line in lines)


def _refuse(code: int) -> tuple[int, int, int, int]:
    return _RETURN, 0, 0, _ERRNO | code


def _with_argument(call: int, offset: int, lines: list[tuple[int, int, int, int]]) -> list[tuple[int, int, int, int]]:
    """For one call: look at the low half of an argument; what the lines don't answer is allowed."""
    allowed = (_RETURN, 0, 0, _ALLOW)
    return [(_EQUAL, 0, len(lines) + 2, call), (_LOAD, 0, 0, offset), *lines, allowed]
