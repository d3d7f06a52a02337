"""Files are written whole or not at all; directories go whatever was left in them; locks end with their holder."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from gitmimo.errors import RepoError
from gitmimo.files import LockTimeout, has_test_name, hold_lock, is_test_path, remove_tree, write_file


def test_a_file_is_replaced_with_content_and_mode(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_text("old")
    write_file(path, "né", mode=0o644, synced=True)
    assert path.read_bytes() == "né".encode()
    assert path.stat().st_mode & 0o777 == 0o644
    assert [item.name for item in tmp_path.iterdir()] == ["state.json"]


def test_a_link_is_replaced_and_its_target_left_alone(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("kept")
    link = tmp_path / "link"
    link.symlink_to(target)
    write_file(link, b"new")
    assert target.read_text() == "kept"
    assert not link.is_symlink()
    assert link.read_bytes() == b"new"


def test_a_failed_write_leaves_the_old_file_and_no_scratch(tmp_path: Path) -> None:
    path = tmp_path / "busy"
    path.mkdir()
    with pytest.raises(IsADirectoryError):
        write_file(path, "x")
    assert [item.name for item in tmp_path.iterdir()] == ["busy"]


def test_a_name_of_255_bytes_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 255)
    write_file(path, "x")
    assert path.read_text() == "x"


def test_removing_does_not_follow_links(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("kept")
    top = tmp_path / "top"
    top.mkdir()
    (top / "link").symlink_to(outside)
    remove_tree(top)
    remove_tree(top)
    assert not top.exists()
    assert (outside / "file").read_text() == "kept"


def test_a_tree_2000_directories_deep_is_removed(tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir()
    handle = os.open(top, os.O_RDONLY)
    for _ in range(2000):
        os.mkdir("deeper", dir_fd=handle)
        below = os.open("deeper", os.O_RDONLY, dir_fd=handle)
        os.close(handle)
        handle = below
    os.close(os.open("file", os.O_WRONLY | os.O_CREAT, dir_fd=handle))
    os.close(handle)
    remove_tree(top)
    assert not top.exists()


def test_directories_without_write_access_are_removed(tmp_path: Path) -> None:
    top = tmp_path / "top"
    (top / "a/b/c").mkdir(parents=True)
    (top / "a/b/c/file").write_text("x")
    for path in ("a/b/c", "a/b", "a"):
        (top / path).chmod(0o500)
    remove_tree(top)
    assert not top.exists()


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
        "import sys, pathlib\nfrom gitmimo.files import hold_lock\n"
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


@pytest.mark.parametrize(
    "path",
    ["test_a.py", "src/a_test.go", "src/a.spec.tsx", "FooTest.java", "a_spec.rb", "tests/data.json", "conftest.py"],
)
def test_tests_of_several_languages_are_known_by_path(path: str) -> None:
    assert is_test_path(path)


@pytest.mark.parametrize("path", ["latest.py", "contest/a.py", "src/testimony.py", "attest.go", "spec.md"])
def test_product_code_is_no_test(path: str) -> None:
    assert not is_test_path(path)


def test_a_file_among_tests_needs_no_name_of_a_test() -> None:
    assert is_test_path("tests/helpers.py")
    assert not has_test_name("tests/helpers.py")
