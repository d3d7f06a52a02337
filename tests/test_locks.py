import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from gitmimo.errors import RepoError
from gitmimo.locks import LockTimeout, hold_lock


def test_the_second_waits_until_the_first_is_done(tmp_path: Path) -> None:
    order: list[str] = []
    inside = threading.Event()

    def first() -> None:
        with hold_lock(tmp_path / "state/lock"):
            inside.set()
            order.append("first in")
            second.start()
            inside.wait()
            order.append("first out")

    def wait() -> None:
        with hold_lock(tmp_path / "state/lock"):
            order.append("second in")

    second = threading.Thread(target=wait)
    first()
    second.join()
    assert order == ["first in", "first out", "second in"]


def test_a_wait_has_an_end_and_names_the_holder(tmp_path: Path) -> None:
    with hold_lock(tmp_path / "lock"):
        with pytest.raises(LockTimeout, match=f"by process {os.getpid()}"), hold_lock(tmp_path / "lock", wait_s=0):
            pass
        with pytest.raises(LockTimeout), hold_lock(tmp_path / "lock", wait_s=99, cancelled=lambda: True):
            pass
    with hold_lock(tmp_path / "lock", wait_s=0):
        pass


def test_a_killed_holder_leaves_no_lock(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib\nfrom gitmimo.locks import hold_lock\n"
        "with hold_lock(pathlib.Path(sys.argv[1])):\n    print('in', flush=True)\n    sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parent.parent,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    with process, process.stdin, process.stdout:
        assert process.stdout.readline() == b"in\n"
        with pytest.raises(LockTimeout), hold_lock(tmp_path / "lock", wait_s=0):
            pass
        process.kill()
        process.wait()
        with hold_lock(tmp_path / "lock", wait_s=5):
            pass


def test_a_link_in_the_locks_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "victim")
    with pytest.raises(RepoError, match="symbolic link"), hold_lock(tmp_path / "lock"):
        pass
    assert not (tmp_path / "victim").exists()
