"""Processes: what they say, what they may use, and that none of them outlives its command."""

import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from gitmimo.errors import CheckError
from gitmimo.records import CommandResult
from gitmimo.sandbox.base import CommandSpec, Limits, Sandbox
from gitmimo.sandbox.probe import open_sandbox

Run = Callable[..., CommandResult]
MARK = "mimo-left-behind"


def survivors(mark: str) -> list[str]:
    """Command lines of living processes that hold the mark, wherever they are in the tree."""
    found = []
    for path in Path("/proc").iterdir():
        if path.name.isdigit() and path.name != str(os.getpid()):
            try:
                line = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                state = (path / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if mark in line and state != "Z":
                found.append(line)
    return found


def daemon(mark: str) -> str:
    """A command that leaves its session twice over and goes on in the background."""
    loop = f"import time; time.sleep(600) # {mark}"
    code = (
        "import os, sys\n"
        "if os.fork(): os._exit(0)\nos.setsid()\nif os.fork(): os._exit(0)\n"
        "for fd in range(3): os.close(fd)\n"
        f"os.execv(sys.executable, [sys.executable, '-c', {loop!r}])\n"
    )
    return f"python3 -c {_quote(code)}; nohup setsid sleep 599.{len(mark)} >/dev/null 2>&1 & sleep 0.2; echo done"


def _quote(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def test_output_and_exit_code_come_back(run: Run) -> None:
    result = run("echo out of MemoryError; echo err >&2; exit 3")
    assert (result.exit_code, result.output) == (3, "out of MemoryError\nerr\n")
    assert result.killed_by_limit == ""
    assert not result.timed_out
    assert not result.truncated


def test_argv_is_not_read_by_a_shell(run: Run) -> None:
    assert run(["printf", "%s|", "a b", "$HOME", "*"]).output == "a b|$HOME|*|"


def test_signal_is_an_exit_code_as_shells_say_it(run: Run) -> None:
    assert run(["sh", "-c", "kill -SEGV $$"]).exit_code == 139


def test_nothing_can_be_read_from_stdin(run: Run) -> None:
    assert run("cat; echo end").output == "end\n"


def test_script_longer_than_an_argument_runs(run: Run) -> None:
    script = "".join(f"echo {number:05d} >/dev/null\n" for number in range(12_000)) + "echo end\n"
    assert run(script).output == "end\n"


@pytest.mark.parametrize("command", ["", "  ", [], "a\0b"])
def test_unusable_command_is_refused(run: Run, command: str | list[str]) -> None:
    with pytest.raises(CheckError):
        run(command)


def test_missing_program_is_a_result(run: Run) -> None:
    assert run("no-such-program-anywhere").exit_code == 127


def test_missing_directory_is_an_error(run: Run, tmp_path: Path) -> None:
    with pytest.raises(CheckError, match="no such directory"):
        run("true", work_tree=tmp_path / "gone")


def test_daemon_survives_without_the_runner() -> None:
    """The positive control of the next test."""
    mark = f"{MARK}-control"
    subprocess.run(["bash", "-c", daemon(mark)], stdin=subprocess.DEVNULL, check=True, capture_output=True)
    assert survivors(mark)
    subprocess.run(["pkill", "-f", f"time.sleep\\(600\\) # {mark}$"], check=True)
    subprocess.run(["pkill", "-xf", f"sleep 599.{len(mark)}"], check=True)


def test_daemons_do_not_survive_their_command(run: Run, any_sandbox: Sandbox) -> None:
    mark = f"{MARK}-{any_sandbox.name}-longer"
    assert "done" in run(daemon(mark)).output
    end = time.monotonic() + 1
    while (left := survivors(mark) + survivors(f"sleep 599.{len(mark)}")) and time.monotonic() < end:
        time.sleep(0.02)
    assert left == []


def test_child_that_holds_stdout_open_delays_nobody(run: Run) -> None:
    result = run("sleep 60 & echo started")
    assert result.output == "started\n"
    assert result.seconds < 20


def test_time_limit_ends_a_command_that_ignores_sigterm(run: Run) -> None:
    result = run("trap '' TERM; echo on; sleep 60; sleep 60", limits=Limits(timeout_s=1))
    assert result.timed_out
    assert result.output == "on\n"
    assert result.seconds < 30


def test_cancelled_command_ends(run: Run) -> None:
    event = threading.Event()
    threading.Timer(0.3, event.set).start()
    result = run("sleep 60", cancelled=event.is_set)
    assert result.killed_by_limit == "cancelled"
    assert result.seconds < 30


def test_endless_output_is_capped_and_memory_stays_flat(work_tree: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    limits = Limits(timeout_s=60, capture_bytes=100_000, output_bytes=120 << 20)
    job = CommandSpec(command="echo first; yes 0123456789", work_tree=work_tree, limits=limits)
    result = open_sandbox("none").run(job)  # one way of reading for all
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert result.killed_by_limit == "output"
    assert result.truncated
    assert result.output.startswith("first\n")
    assert "bytes left out" in result.output
    assert len(result.output) < 101_000
    assert grown_kib < 50 * 1024


def test_one_line_of_200_megabytes_is_capped(work_tree: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    command = "head -c 200000000 /dev/zero | tr '\\0' x; echo; echo last"
    job = CommandSpec(command=command, work_tree=work_tree, limits=Limits(timeout_s=120))
    result = open_sandbox("none").run(job)
    assert result.exit_code == 0
    assert result.truncated
    assert result.output.endswith("x\nlast\n")
    assert len(result.output) < 1_000_100
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50 * 1024


def test_single_block_beyond_the_memory_limit_is_refused(run: Run) -> None:
    result = run(["python3", "-c", "x = bytearray(900 << 20)"], limits=Limits(timeout_s=60, memory_bytes=256 << 20))
    assert result.exit_code
    assert "MemoryError" in result.output


def test_removed_temporary_directory_is_no_full_disk(run: Run) -> None:
    result = run('rm -rf "$TMPDIR" 2>/dev/null; sleep 1; echo end')
    assert (result.output, result.killed_by_limit) == ("end\n", "")


def test_memory_limit_holds_for_all_processes_together(run: Run) -> None:
    code = "import os, time\nfor _ in range(3): os.fork()\nx = bytearray(os.urandom(1 << 20)) * 90\ntime.sleep(30)"
    result = run(["python3", "-c", code], limits=Limits(timeout_s=60, memory_bytes=256 << 20))
    assert result.killed_by_limit == "memory"
    assert result.seconds < 30


def test_fork_bomb_is_stopped(run: Run, any_sandbox: Sandbox) -> None:
    bomb = "for i in $(seq 400); do sleep 55 & done; echo all; wait"
    result = run(bomb, limits=Limits(timeout_s=60, processes=40))
    assert result.killed_by_limit == "processes" or "Resource temporarily unavailable" in result.output
    assert result.seconds < 50
    assert survivors("sleep 55") == []


def test_file_limit_stops_one_large_file(run: Run, work_tree: Path) -> None:
    result = run("head -c 50000000 /dev/zero > large; echo $?", limits=Limits(timeout_s=30, file_bytes=1 << 20))
    assert result.output.strip() != "0"
    assert (work_tree / "large").stat().st_size <= 1 << 20


def test_disk_limit_stops_many_files(run: Run, work_tree: Path) -> None:
    command = "mkdir d; i=0; while true; do i=$((i+1)); head -c 2000000 /dev/zero > d/$i; done"
    result = run(command, limits=Limits(timeout_s=100, disk_bytes=60 << 20))
    assert result.killed_by_limit == "disk"


def test_thread_that_ends_after_the_call_takes_no_command_with_it(any_sandbox: Sandbox, work_tree: Path) -> None:
    """The death signal of a child follows the thread that started it."""
    job = CommandSpec(command="sleep 0.2; echo whole", work_tree=work_tree, limits=Limits(timeout_s=30))
    with ThreadPoolExecutor(max_workers=1) as pool:
        future = pool.submit(any_sandbox.run, job)
    assert future.result().output == "whole\n"


def test_commands_of_several_threads_do_not_disturb_each_other(any_sandbox: Sandbox, work_tree: Path) -> None:
    job = CommandSpec(command="", work_tree=work_tree, limits=Limits(timeout_s=60))
    with ThreadPoolExecutor(max_workers=4) as pool:
        commands = [f"sleep 0.{n % 3}; echo {n}" for n in range(8)]
        results = list(pool.map(lambda command: any_sandbox.run(replace(job, command=command)), commands))
    assert [result.output for result in results] == [f"{n}\n" for n in range(8)]


@pytest.mark.parametrize("kind", ["bwrap", "landlock", "none"])
def test_commands_die_when_we_are_killed(kind: str, work_tree: Path) -> None:
    mark = f"613.{['bwrap', 'landlock', 'none'].index(kind)}7"
    code = (
        "import sys; from pathlib import Path; from gitmimo.sandbox.base import CommandSpec\n"
        "from gitmimo.sandbox.probe import open_sandbox\n"
        f"open_sandbox({kind!r}).run(CommandSpec(command='sleep {mark}', work_tree=Path(sys.argv[1])))"
    )
    ours = subprocess.Popen([sys.executable, "-c", code, str(work_tree)], cwd=Path(__file__).parents[2])
    end = time.monotonic() + 30
    while not survivors(f"sleep {mark}") and time.monotonic() < end:
        time.sleep(0.05)
    assert survivors(f"sleep {mark}")
    ours.kill()
    ours.wait()
    end = time.monotonic() + 10
    while (left := survivors(f"sleep {mark}")) and time.monotonic() < end:
        time.sleep(0.05)
    assert left == []


def test_command_that_kills_its_launcher_leaves_nothing_and_the_next_one_runs(work_tree: Path) -> None:
    any_sandbox = open_sandbox("none")
    job = CommandSpec(command="setsid sleep 614.2 & kill -9 $PPID; sleep 614.3", work_tree=work_tree)
    assert any_sandbox.run(job).exit_code
    assert survivors("sleep 614.") == []
    assert any_sandbox.run(replace(job, command="echo next")).output == "next\n"
