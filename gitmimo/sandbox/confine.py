"""The launcher of one command: confine a child (limits, namespaces, landlock, seccomp), wait, end its leftovers.

Its code comes to `python -I -S` with the request, so that nothing is searched for, and it imports the bare modules:
`os`, `signal` and `ctypes` with what they import would take as long as Python's own start. Paths and words are bytes.
"""

import _ctypes
import _signal as signal  # type: ignore[import-not-found]
import errno
import posix as os
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, NoReturn

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS, _PR_SET_CHILD_SUBREAPER, _PR_CAPBSET_DROP = 1, 38, 36, 24
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, _JOIN_SESSION_KEYRING = 22, 2, 1
_KEYCTL = {"x86_64": 250, "aarch64": 219}
_NEWNS, _NEWIPC, _NEWUSER, _NEWPID, _NEWNET = 0x20000, 0x8000000, 0x10000000, 0x20000000, 0x40000000
_MS_RDONLY, _MS_REMOUNT, _MS_BIND, _MS_REC, _MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC = 2, 4, 8
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # one number on every architecture
_RLIMIT_NPROC = 6

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, TRUNCATE, IOCTL_DEV = 1, 2, 4, 8, 1 << 14, 1 << 15
_FILE_RIGHTS = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
_READ = EXECUTE | READ_FILE | READ_DIR

_libc = _ctypes.dlopen(None, 0)  # type: ignore[arg-type]


class _Int(_ctypes._SimpleCData):  # type: ignore[type-arg]
    _type_ = "i"


class _Long(_ctypes._SimpleCData):  # type: ignore[type-arg]
    _type_ = "l"


class _Pointer(_ctypes._SimpleCData):  # type: ignore[type-arg]
    _type_ = "z"


class _Function(_ctypes.CFuncPtr):
    _flags_ = _ctypes.FUNCFLAG_CDECL | _ctypes.FUNCFLAG_USE_ERRNO
    _restype_ = _Int


def _try(name: str, *arguments: int | bytes | None) -> int:
    """Call a function of the C library; its whole numbers may be long. -1 when it fails."""
    words = [_Long(word) if isinstance(word, int) else word for word in arguments]
    return int(_Function(_ctypes.dlsym(_libc, name))(*words))


def _do(name: str, *arguments: int | bytes | None) -> int:
    """Call a function of the C library; OSError when it fails."""
    result = _try(name, *arguments)
    if result < 0:
        raise OSError(_ctypes.get_errno(), f"{name}: {os.strerror(_ctypes.get_errno())}")
    return result


def landlock_abi() -> int:
    """The kernel's landlock version, 0 where there is none."""
    return max(0, _try("syscall", _CREATE_RULESET, None, 0, 1))


def main(request: "Mapping[str, Any]") -> "NoReturn":
    """Run the command of a request (see `landlock`) and exit with its status as a shell says it; never returns.

    There are three processes: this one, which waits; its child, which confines itself; and the command that the child
    starts, in a process group of its own. Where there is a PID namespace, the child is its first process, whose end is
    that of all others. Elsewhere this one adopts orphans, so that no daemon leaves the tree, and ends everything.
    """
    _die_with(os.getppid(), signal.SIGTERM)
    launcher = os.getpid()
    try:
        granted = _isolate(request) if request.get("isolate") else 0
    except OSError as error:
        _refuse(error)
    if not granted:
        _try("prctl", _PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    child = os.fork()
    if child == 0:
        _die_with(0 if granted else launcher, signal.SIGKILL)
        _run_confined(request, granted)
    if not granted:
        signal.signal(signal.SIGTERM, lambda *_: _kill_all())  # git-mimo has ended
    status = _wait_for(child)
    _end_all()
    os._exit(status)


def _die_with(parent: int, number: int) -> None:
    """Ask for a signal at the parent's end; go at once when it has ended already. 0: don't look."""
    _try("prctl", _PR_SET_PDEATHSIG, number, 0, 0, 0)
    if parent and os.getppid() != parent:
        os._exit(137)


def _run_confined(request: "Mapping[str, Any]", granted: int) -> "NoReturn":
    """Confine this process, start the command and reap until it has ended; never returns."""
    try:
        if granted:
            _mount(b"proc", b"/proc", b"proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
        _limit(request["limits"], counts_processes=bool(granted & _NEWUSER))
        _try("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        if "read" in request:
            _join_new_keyring()
            _confine(request, granted)
            _drop_capabilities()
        if request.get("seccomp"):
            _filter_calls(request["seccomp"])
    except OSError as error:
        _refuse(error)
    command, env = request["argv"], request["env"]
    os.putenv(b"PATH", env.get(b"PATH", b"/usr/bin:/bin"))
    defaults = (signal.SIGPIPE, signal.SIGXFSZ)  # ignored by Python, and an exec would hand that on
    try:
        child = os.posix_spawnp(command[0], command, env, setpgroup=0, setsigdef=defaults)
    except OSError as error:
        os.write(2, command[0] + f": {error.strerror}\n".encode())
        os._exit(127)
    os._exit(_wait_for(child))


def _refuse(error: OSError) -> "NoReturn":
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


def _limit(limits: "Mapping[int, int]", *, counts_processes: bool) -> None:
    """Set the limits; processes are counted per user, so that limit has a meaning in a user namespace only."""
    for kind, value in limits.items():
        if kind != _RLIMIT_NPROC or counts_processes:
            _do("prlimit", 0, kind, struct.pack("QQ", value, value), None)


def _isolate(request: "Mapping[str, Any]") -> int:
    """Enter as many new namespaces as the kernel grants; return which. Nothing granted is no error.

    The one for mounts counts as granted when /dev/shm and the terminals inside are this command's own.
    """
    wanted = _NEWNS | _NEWIPC | _NEWPID | (0 if request["network"] else _NEWNET)
    uid, gid = os.geteuid(), os.getegid()
    for flags in (wanted, wanted | _NEWUSER):
        if _try("unshare", flags) == 0:
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
    for covered in request["cover"]:
        _mount(b"none", covered, b"tmpfs", _MS_NOSUID | _MS_NODEV | _MS_RDONLY)
    flags = flags if _make_devices() else flags & ~_NEWNS
    for source, target in request["pointer"]:
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
    return _try("mount", source, target, kind, flags, data) == 0


def _loopback_up() -> None:
    sock = _do("socket", 2, 2, 0)  # AF_INET, SOCK_DGRAM
    try:
        _do("ioctl", sock, 0x8914, struct.pack("16sh14x", b"lo", 1))  # SIOCSIFFLAGS, IFF_UP
    finally:
        os.close(sock)


def _confine(request: "Mapping[str, Any]", granted: int) -> None:
    """Allow reading and writing only beneath the named paths. Metadata (stat, chmod, utime) is not covered."""
    deny_tcp = not request["network"] and not granted & _NEWNET
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
    ruleset = _do("syscall", _CREATE_RULESET, attributes, len(attributes), 0)
    _allow(ruleset, request["read"], _READ & handled)
    _allow(ruleset, [*request["write"], *([b"/dev/shm"] if own else [])], handled & ~IOCTL_DEV)
    devices = handled & (READ_FILE | WRITE_FILE | READ_DIR | IOCTL_DEV | TRUNCATE)
    _allow(ruleset, [*request["devices"], *([b"/dev/pts", b"/dev/ptmx"] if own else [])], devices)
    _do("syscall", _RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def _allow(ruleset: int, paths: "Sequence[bytes]", rights: int) -> None:
    for path in paths:
        try:
            fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue  # what isn't there needs no permission
        is_directory = os.fstat(fd).st_mode & 0o170000 == 0o040000
        rule = struct.pack("=Qi", rights if is_directory else rights & _FILE_RIGHTS, fd)
        _do("syscall", _ADD_RULE, ruleset, 1, rule, 0)
        os.close(fd)


def _drop_capabilities() -> None:
    _try("prctl", _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    for capability in range(64):
        if _try("prctl", _PR_CAPBSET_DROP, capability, 0, 0, 0) != 0 and _ctypes.get_errno() == errno.EINVAL:
            break
    _do("capset", struct.pack("Ii", 0x20080522, 0), bytes(24))


def _join_new_keyring() -> None:
    """Leave the person's session key ring for an empty one. A kernel without key rings has none to leave."""
    number = _KEYCTL.get(os.uname().machine)
    if number is not None:
        _try("syscall", number, _JOIN_SESSION_KEYRING, None)


def _filter_calls(program: bytes) -> None:
    """Install a seccomp program, given as an array of `struct sock_filter`."""
    header = struct.pack("H6x", len(program) // 8) + bytes(_Pointer(program))
    _do("prctl", _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, header, 0, 0)
