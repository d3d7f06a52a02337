"""Reading and writing files of a work tree without ever leaving it."""

import contextlib
import os
import threading
import time
from pathlib import Path

import pytest

from gitmimo.sandbox.files import PathRefused, check_inside, read_inside, write_inside

OUTSIDE = [
    "../x", "/etc/x", "s/../../x", "a/..", "..", ".", "", "a/", "~/x", "C:/x", "C:\\x", "\\\\host\\x",
    "..\\x", "a\\..\\..\\x", "a\0b",
]  # fmt: skip
GIT = [
    ".git/hooks/pre-commit", ".GIT/config", "git~1/config", ".git", "sub/.git/config", ".git./config", ".git /config",
    ".git::$INDEX_ALLOCATION/config", ".g\u200cit/config", "a/.Git\\config", ".git\\config", "GIT~1",
]  # fmt: skip


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "root"
    (path / "s").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("secret\n")
    return path


@pytest.mark.parametrize("path", OUTSIDE)
def test_path_out_of_the_tree_is_refused(root: Path, path: str) -> None:
    with pytest.raises(PathRefused):
        write_inside(root, path, b"x")
    with pytest.raises(PathRefused):
        read_inside(root, path)
    assert sorted(p.name for p in root.parent.rglob("*")) == ["outside", "root", "s", "secret"]


@pytest.mark.parametrize("path", GIT)
def test_git_directory_is_refused_in_every_spelling(root: Path, path: str) -> None:
    with pytest.raises(PathRefused, match="git's own"):
        write_inside(root, path, b"x")
    assert list(root.iterdir()) == [root / "s"]


@pytest.mark.parametrize("path", [".github/x", "a.git", "git", ".gitignore", "sub/.gitattributes", "a/..b/c", "…/ä ö"])
def test_ordinary_path_is_written_and_read_back(root: Path, path: str) -> None:
    write_inside(root, path, b"one\n")
    write_inside(root, path, b"two\n")
    assert read_inside(root, path) == b"two\n"
    assert [p.name for p in root.rglob(".mimo-*")] == []


def test_link_on_the_way_is_refused(root: Path) -> None:
    (root / "link").symlink_to(root.parent / "outside")
    for path in ("link/new", "link/secret"):
        with pytest.raises(PathRefused):
            write_inside(root, path, b"x")
        with pytest.raises(PathRefused):
            read_inside(root, path)
    assert [p.name for p in (root.parent / "outside").iterdir()] == ["secret"]


def test_link_in_the_place_of_the_file_is_refused(root: Path) -> None:
    (root / "link").symlink_to(root.parent / "outside" / "secret")
    (root / "dangling").symlink_to(root.parent / "outside" / "new")
    for name in ("link", "dangling"):
        with pytest.raises(PathRefused):
            write_inside(root, name, b"x")
        with pytest.raises(PathRefused):
            read_inside(root, name)
    assert (root.parent / "outside" / "secret").read_text() == "secret\n"
    assert not (root.parent / "outside" / "new").exists()


def test_pipe_does_not_block(root: Path) -> None:
    os.mkfifo(root / "pipe")
    with pytest.raises(PathRefused):
        read_inside(root, "pipe")
    with pytest.raises(PathRefused):
        write_inside(root, "pipe", b"x")


def test_directory_in_the_place_of_the_file_is_refused(root: Path) -> None:
    with pytest.raises(PathRefused):
        write_inside(root, "s", b"x")
    with pytest.raises(PathRefused):
        read_inside(root, "s")


def test_missing_file_is_none_and_removing_it_says_so(root: Path) -> None:
    assert read_inside(root, "none") is None
    assert read_inside(root, "none/there") is None
    with pytest.raises(PathRefused, match="no such file"):
        write_inside(root, "none", None)


def test_mode_is_kept_and_removal_removes(root: Path) -> None:
    (root / "run.sh").write_text("old\n")
    (root / "run.sh").chmod(0o755)
    write_inside(root, "run.sh", b"new\n")
    assert (root / "run.sh").stat().st_mode & 0o777 == 0o755
    write_inside(root, "run.sh", None)
    assert not (root / "run.sh").exists()


def test_too_large_file_is_refused(root: Path) -> None:
    write_inside(root, "large", b"x" * 100)
    with pytest.raises(PathRefused, match="too large"):
        read_inside(root, "large", most_bytes=99)


def test_names_with_control_characters_are_shown_escaped() -> None:
    with pytest.raises(PathRefused) as caught:
        check_inside("../\x1b]8;;evil\x07\u202e")
    assert "\x1b" not in caught.value.message
    assert "\u202e" not in caught.value.message


def test_directory_swapped_for_a_link_never_leads_outside(root: Path) -> None:
    outside = root.parent / "outside"
    (root / "real").mkdir()
    (root / "d").symlink_to(root / "real")
    stop = threading.Event()

    def swap() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            new = root / "swap"
            if number % 2:
                new.mkdir()
            else:
                new.symlink_to(outside)
            with contextlib.suppress(OSError):  # the writer makes missing directories meanwhile
                (root / "d").rename(root.parent / f"trash{number}")
                new.rename(root / "d")
                continue
            new.rename(root.parent / f"left{number}")

    thread = threading.Thread(target=swap)
    thread.start()
    written = refused = 0
    last = time.monotonic() + 60  # a busy machine may give the other thread no turn for a while
    try:
        while min(written, refused) < 200 and time.monotonic() < last:
            try:
                write_inside(root, "d/file", b"x")
                written += 1
            except PathRefused:
                refused += 1
    finally:
        stop.set()
        thread.join()
    assert [p.name for p in outside.iterdir()] == ["secret"]
    assert written
    assert refused
