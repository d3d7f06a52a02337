"""Ways out of a sandbox that a red team tried, each with the control that it works where nothing forbids it."""

import copy
import ctypes
import os
import platform
import pty
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gitmimo.records import CommandResult
from gitmimo.sandbox.base import CommandSpec, Limits, Sandbox
from gitmimo.sandbox.bwrap import BwrapSandbox
from gitmimo.sandbox.probe import open_sandbox
from gitmimo.sandbox.seccomp import _ABSENT, _MACHINES, _REFUSED, filter_program

Run = Callable[..., CommandResult]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A directory that is neither a home nor a temporary place: another project of the person's."""
    path = Path(tempfile.mkdtemp(prefix=".other-project-", dir=ROOT))
    (path / "secret").write_text("the secret\n")
    (path / "secret").chmod(0o600)
    yield path
    shutil.rmtree(path)


@pytest.mark.usefixtures("sandbox")
class TestFiles:
    def test_other_projects_cannot_be_read(self, run: Run, elsewhere: Path) -> None:
        assert (elsewhere / "secret").read_text() == "the secret\n"
        result = run(f"cat '{elsewhere}/secret'; ls '{elsewhere}'; echo x > '{elsewhere}/new'; echo end")
        assert "the secret" not in result.output
        assert result.output.endswith("end\n")
        assert not (elsewhere / "new").exists()

    def test_system_files_that_not_everybody_may_read_stay_closed(self, run: Run) -> None:
        search = "find /etc /usr/local/etc -type f ! -perm -o=r -size +0 2>/dev/null"
        private = subprocess.run(["bash", "-c", search], capture_output=True, text=True, check=False).stdout.split()
        readable = [path for path in private if os.access(path, os.R_OK)]
        if not readable:
            pytest.skip("there is none that we may read")
        result = run("for path in " + " ".join(readable) + '; do head -c 4 "$path" 2>/dev/null | wc -c; done')
        assert set(result.output.split()) == {"0"}

    def test_shared_memory_of_the_machine_is_out_of_reach(self, run: Run) -> None:
        mine, theirs = Path(f"/dev/shm/mimo-test-{os.getpid()}"), Path(f"/dev/shm/mimo-made-{os.getpid()}")
        mine.write_text("the secret\n")
        try:
            result = run(f"cat {mine}; echo changed > {mine}; echo x > {theirs}; echo end")
            assert "the secret" not in result.output
            assert result.output.endswith("end\n")
            assert mine.read_text() == "the secret\n"
            assert not theirs.exists()
        finally:
            mine.unlink()
            theirs.unlink(missing_ok=True)

    def test_terminals_of_the_person_are_out_of_reach(self, run: Run) -> None:
        master, slave = pty.openpty()
        try:
            os.write(master, b"typed\n")
            name = os.ttyname(slave)
            attack = f"head -c 6 {name}; echo injected > {name}"
            result = run(["timeout", "5", "bash", "-c", attack])
            assert "typed" not in result.output
            os.set_blocking(master, False)
            assert b"injected" not in os.read(master, 1000)
            assert subprocess.run(["head", "-c", "6", name], capture_output=True, check=True).stdout == b"typed\n"
        finally:
            os.close(master)
            os.close(slave)

    def test_a_command_has_terminals_of_its_own(self, run: Run, sandbox: Sandbox) -> None:
        if any("terminals are closed" in gap for gap in sandbox.gaps):
            pytest.skip("a gap without namespaces, and named")
        code = "import os, pty; a, b = pty.openpty(); os.write(a, b'x\\n'); print(os.read(b, 9), os.ttyname(b))"
        assert re.fullmatch(r"b'x\\n' /dev/pts/\d+\n", run([sys.executable, "-c", code]).output)


KEY_RING = """
import ctypes, platform, sys
from pathlib import Path
from gitmimo.sandbox.base import CommandSpec, Limits
from gitmimo.sandbox.probe import open_sandbox
add, control = {"x86_64": (248, 250), "aarch64": (217, 219)}[platform.machine()]
libc = ctypes.CDLL(None, use_errno=True)
if libc.syscall(control, 1, None) < 0:  # a session key ring of our own, so that the person's stays as it is
    sys.exit(5)
key = libc.syscall(add, b"user", b"mimo-test", b"the secret", 10, -3)
if key < 0:
    sys.exit(5)
attack = f'''
import ctypes
libc = ctypes.CDLL(None)
found = ctypes.create_string_buffer(50)
libc.syscall({control}, 11, {key}, found, 50)
print("by number", found.value)
number = libc.syscall({control}, 10, -3, b"user", b"mimo-test", 0)
found = ctypes.create_string_buffer(50)
libc.syscall({control}, 11, number, found, 50)
print("by search", found.value)
'''
work_tree = Path(sys.argv[2])
for kind in ("none", sys.argv[1]):
    spec = CommandSpec(command=[sys.executable, "-c", attack], work_tree=work_tree, limits=Limits(timeout_s=30))
    print(kind, open_sandbox(kind).run(spec).output)
"""


def test_the_persons_key_ring_is_out_of_reach(sandbox: Sandbox, work_tree: Path) -> None:
    command = [sys.executable, "-c", KEY_RING, sandbox.name, str(work_tree)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode == 5:
        pytest.skip("the kernel gives no key rings")
    control, inside = done.stdout.split(f"{sandbox.name} ", 1)
    assert control.count("the secret") == 2, done.stderr
    assert "the secret" not in inside
    assert "by search" in inside


# Every call with arguments that change nothing; EFAULT, EINVAL and the like mean that the kernel looked at them.
CALLS = """
import ctypes, errno, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
def attempt(name, do):
    ctypes.set_errno(0)
    try:
        result = do()
        code = ctypes.get_errno() if result == -1 else 0
    except OSError as error:
        code = error.errno
    print(name, errno.errorcode.get(code, "OK"))
for name, number in NUMBERS.items():
    attempt(name, lambda: libc.syscall(number, None, None, None, None, None))
attempt("namespaces", lambda: libc.unshare(0x10000000))
attempt("vsock", lambda: socket.socket(40, socket.SOCK_STREAM) and 0)
attempt("crypto", lambda: socket.socket(38, socket.SOCK_SEQPACKET) and 0)
attempt("inet", lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM) and 0)
attempt("thread", lambda: __import__("threading").Thread(target=int).start() or 0)
"""
TRIED = ("keyctl", "add_key", "io_uring_setup", "userfaultfd", "fsopen", "open_tree", "mount", "move_mount", "clone3")


@pytest.mark.skipif(filter_program() is None, reason="no numbers of system calls for this processor")
def test_system_calls_that_nobody_needs_are_refused(sandbox: Sandbox, work_tree: Path) -> None:
    column = _MACHINES[platform.machine()].column
    numbers = {name: (_REFUSED | _ABSENT)[name][column] for name in TRIED}
    code = CALLS.replace("NUMBERS", repr(numbers))
    spec = CommandSpec(command=[sys.executable, "-c", code], work_tree=work_tree, limits=Limits(timeout_s=30))
    answers = dict(line.split() for line in sandbox.run(spec).output.splitlines())
    refused = {name: "ENOSYS" if name in _ABSENT else "EPERM" for name in TRIED}
    assert answers == refused | {
        "namespaces": "EPERM", "vsock": "EAFNOSUPPORT", "crypto": "EAFNOSUPPORT", "inet": "OK", "thread": "OK"
    }  # fmt: skip
    if isinstance(sandbox, BwrapSandbox):  # the control, in namespaces of its own all the same
        unconfined = copy.copy(sandbox)
        unconfined._filter = None
        unfiltered = dict(line.split() for line in unconfined.run(spec).output.splitlines())
        assert {name for name in TRIED if unfiltered[name] != refused[name]} >= {"keyctl", "add_key", "clone3"}
        assert unfiltered["io_uring_setup"] == "EFAULT"


@pytest.mark.parametrize(
    ("machine", "header"),
    [("x86_64", "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"), ("aarch64", "/usr/include/asm-generic/unistd.h")],
)
def test_numbers_of_system_calls_are_the_kernels(machine: str, header: str) -> None:
    if not Path(header).exists():
        pytest.skip("the kernel's headers are not installed")
    text = Path(header).read_text().replace("__NR3264_", "__NR_")
    numbers = {name: int(value) for name, value in re.findall(r"#define __NR_(\w+)\s+(\d+)", text)}
    known = _MACHINES[machine]
    ours = {name: found[known.column] for name, found in (_REFUSED | _ABSENT).items()}
    ours |= {name: getattr(known, name) for name in ("clone", "unshare", "socket", "ioctl")}
    newest = max(numbers.values())
    assert {name: number for name, number in ours.items() if number <= newest} == {
        name: numbers[name] for name, number in ours.items() if number <= newest
    }


def test_processes_of_other_commands_cannot_be_traced(sandbox: Sandbox, work_tree: Path) -> None:
    """ptrace is left to debuggers, so what it may reach counts."""
    victim = subprocess.Popen(["sleep", "30"])
    code = f"import ctypes; print(ctypes.CDLL(None).ptrace(16, {victim.pid}, None, None))"
    spec = CommandSpec(command=[sys.executable, "-c", code], work_tree=work_tree, limits=Limits(timeout_s=30))
    try:
        assert sandbox.run(spec).output == "-1\n"
    finally:
        victim.kill()
        victim.wait()


def test_modes_of_own_files_are_a_gap_that_is_named(tmp_path: Path, work_tree: Path) -> None:
    sandbox = open_sandbox("landlock")
    key = tmp_path / "key"
    key.write_text("x")
    result = sandbox.run(CommandSpec(command=f"chmod 000 '{key}'", work_tree=work_tree, limits=Limits(timeout_s=30)))
    assert result.exit_code or any("modes" in gap for gap in sandbox.gaps)


def test_symlinks_on_the_way_to_a_toolchain_are_there(sandbox: Sandbox, work_tree: Path, tmp_path: Path) -> None:
    real = tmp_path / "real" / "tool-2" / "bin"
    real.mkdir(parents=True)
    (real / "hello").write_text("#!/bin/sh\necho hello\n")
    (real / "hello").chmod(0o755)
    (tmp_path / "tool").symlink_to("real/tool-2")
    (tmp_path / "link").symlink_to(tmp_path / "tool")
    environ = {"PATH": f"{tmp_path}/link/bin:{os.environ['PATH']}", "HOME": str(tmp_path / "home")}
    spec = CommandSpec(command="hello", work_tree=work_tree, limits=Limits(timeout_s=30))
    assert open_sandbox(sandbox.name, environ=environ).run(spec).output == "hello\n"
    assert open_sandbox(sandbox.name).run(replace(spec, command=f"{tmp_path}/link/bin/hello")).exit_code


# Each looks, opens or answers only, so that the control may run as root: what nothing forbids says `open`.
WAYS = """
import ctypes, os, sys
victim, address, segment, name = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
libc = ctypes.CDLL(None, use_errno=True)
class Part(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("size", ctypes.c_size_t)]
def read_memory():
    found = ctypes.create_string_buffer(10)
    mine, theirs = Part(ctypes.addressof(found), 10), Part(address, 10)
    return libc.process_vm_readv(victim, ctypes.byref(mine), 1, ctypes.byref(theirs), 1, 0) == 10
def other_descriptors():
    return libc.syscall(438, os.pidfd_open(victim), 1, 0) >= 0
def other_namespaces():
    return bool([os.close(os.open(f"/proc/{victim}/ns/{kind}", os.O_RDONLY)) for kind in ("mnt", "net", "pid")])
def by_handle():
    handle, mount = ctypes.create_string_buffer(136), ctypes.c_int()
    ctypes.cast(handle, ctypes.POINTER(ctypes.c_uint))[0] = 128
    place = os.open(name.rpartition("/")[0] if os.path.exists(name) else ".", os.O_RDONLY)
    at = libc.name_to_handle_at(-100, (name if os.path.exists(name) else ".").encode(), handle, ctypes.byref(mount), 0)
    return at == 0 and libc.open_by_handle_at(place, handle, os.O_RDONLY) >= 0
def system_v():
    libc.shmat.restype = ctypes.c_void_p
    return libc.shmat(segment, None, 0x1000) != ctypes.c_void_p(-1).value
def devices():
    return os.path.exists("/dev/kmsg") and os.open("/dev/kmsg", os.O_RDONLY) >= 0
def services():
    return bool(os.listdir("/run"))
def disks():
    paths = [f"/dev/{disk}" for disk in os.listdir("/sys/class/block")]
    return any(os.open(path, os.O_RDONLY) for path in paths if os.path.exists(path))
for way in (read_memory, other_descriptors, other_namespaces, by_handle, system_v, devices, services, disks):
    try:
        print(way.__name__, "open" if way() else "closed")
    except OSError:
        print(way.__name__, "closed")
"""
HELD = """
import ctypes, sys
kept = ctypes.create_string_buffer(b"the secret")
print(ctypes.addressof(kept), flush=True)
sys.stdin.read()
"""


def test_other_ways_out_are_closed(sandbox: Sandbox, work_tree: Path, elsewhere: Path) -> None:
    """Memory and descriptors of processes, namespaces, handles of files, shared memory, devices, services."""
    victim = subprocess.Popen([sys.executable, "-c", HELD], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    libc = ctypes.CDLL(None)
    segment = libc.shmget(0, 4096, 0o1600)
    try:
        assert victim.stdout is not None
        arguments = [
            str(victim.pid),
            victim.stdout.readline().decode().strip(),
            str(segment),
            str(elsewhere / "secret"),
        ]
        command = [sys.executable, "-c", WAYS, *arguments]
        control = subprocess.run(command, capture_output=True, text=True, check=False, cwd=work_tree)
        inside = sandbox.run(CommandSpec(command=command, work_tree=work_tree, limits=Limits(timeout_s=30)))
    finally:
        libc.shmctl(segment, 0, None)
        victim.communicate()
    assert control.stdout.count("open") >= 4, control
    assert re.findall(r"(\w+) open", inside.output) == []
    assert inside.output.count("closed") == 8, inside.output


def test_nothing_outside_is_renamed_linked_or_cut(run: Run, elsewhere: Path, sandbox: Sandbox) -> None:
    secret = elsewhere / "secret"
    before = (secret.read_bytes(), secret.stat().st_nlink)
    run(
        f"mv '{secret}' '{elsewhere}/moved'; ln '{secret}' linked; ln -s '{secret}' link; truncate -s 0 '{secret}';"
        f"setfattr -n user.x -v y '{secret}'; pivot_root . . ; rm -rf '{elsewhere}'"
    )
    assert [path.name for path in elsewhere.iterdir()] == ["secret"]
    assert (secret.read_bytes(), secret.stat().st_nlink) == before


def test_gaps_that_apply_are_told(run: Run, elsewhere: Path, sandbox: Sandbox) -> None:
    """Whether a hidden file's name can be seen is what the sandbox says of itself."""
    seen = run(f"stat '{elsewhere}/secret'").exit_code == 0
    assert seen == any("names" in gap for gap in sandbox.gaps)
    assert not sandbox.gaps or sandbox.name == "landlock"
