"""The journal survives crashes and notices damage."""

import errno
import os
from pathlib import Path

import pytest

from gitmimo.errors import JournalError
from gitmimo.journal import Journal, read_journal


def test_entries_come_back_in_order_and_a_reopened_journal_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "s" / "journal.jsonl"
    first = Journal(path)
    first.intend("worktree", n=1)
    first.done("worktree", n=1, path=None)
    first.close()
    second = Journal(path)
    second.done("end", status="passed\r\n")
    second.close()
    assert [(e.sequence, e.event, e.done) for e in read_journal(path)] == [
        (1, "worktree", False),
        (2, "worktree", True),
        (3, "end", True),
    ]
    assert read_journal(path)[2].data == {"status": "passed\r\n"}


def test_a_note_comes_back_too_and_is_on_disk_with_the_next_line_that_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    path = tmp_path / "journal.jsonl"
    monkeypatch.setattr(os, "fdatasync", lambda descriptor: synced.append(path.stat().st_size))
    journal = Journal(path)
    sizes = []
    for record in (journal.intend, journal.note, journal.done):
        record("step", n=1)
        sizes.append(path.stat().st_size)
    journal.close()
    assert synced == [sizes[0], sizes[2]]
    assert [(entry.event, entry.done) for entry in read_journal(path)] == [
        ("step", False),
        ("step", True),
        ("step", True),
    ]


@pytest.mark.parametrize("cut", range(1, 30))
def test_a_torn_last_line_is_ignored_and_overwritten(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    journal.done("a")
    journal.done("b")
    journal.close()
    path.write_bytes(path.read_bytes()[:-cut])
    assert [entry.event for entry in read_journal(path)] == ["a"]
    again = Journal(path)
    again.done("c")
    again.close()
    assert [entry.event for entry in read_journal(path)] == ["a", "c"]


def test_a_flipped_byte_in_the_middle_stops_with_an_error(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    for event in "abc":
        journal.done(event)
    journal.close()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(JournalError, match="damaged at line 2"):
        read_journal(path)


def test_a_symlink_in_the_place_of_the_journal_is_refused(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("")
    (tmp_path / "journal.jsonl").symlink_to(tmp_path / "target")
    with pytest.raises(JournalError, match="cannot open"):
        Journal(tmp_path / "journal.jsonl")


@pytest.mark.parametrize("fault", ["half a line", "not synced", "not cut off"])
def test_a_line_that_the_disk_refused_spoils_nothing_that_follows(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    journal.done("first")
    write = os.write

    def half(descriptor: int, data: bytes) -> int:
        return write(descriptor, data[: len(data) // 2])

    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync" if fault == "not synced" else "write", refuse if fault == "not synced" else half)
        if fault == "not cut off":
            patch.setattr(os, "ftruncate", refuse)
        with pytest.raises(JournalError, match="cannot write the journal"):
            journal.done("refused")
    assert [entry.event for entry in read_journal(path)] == ["first"]
    if fault == "not cut off":
        with pytest.raises(JournalError, match="torn"):
            journal.done("third")
    else:
        journal.done("third")
    journal.close()
    again = Journal(path)
    again.done("fourth")
    again.close()
    told = [entry.event for entry in read_journal(path)]
    assert told == ["first", *([] if fault == "not cut off" else ["third"]), "fourth"]
