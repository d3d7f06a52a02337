"""Files are written whole or not at all; directories go whatever was left in them."""

import os
from pathlib import Path

import pytest

from gitmimo.files import remove_tree, write_file


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
