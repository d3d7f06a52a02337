"""Edits in real files: what matches, what is refused, and what every file keeps."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitmimo.agent.shell.apply_edit import EditFailed, apply_change, replace_passage
from gitmimo.agent.shell.text_protocol import parse_text
from gitmimo.records import Action, ActionKind, Observation

CODE = "def total(items):\n    result = 0\n    for item in items:\n        result += item\n    return result\n"


def edit(root: Path, path: str, old: str, new: str) -> Observation:
    return apply_change(root, Action(kind=ActionKind.EDIT, path=path, old=old, text=new))


def write(root: Path, path: str, text: str, *, call_id: str = "c") -> Observation:
    return apply_change(root, Action(kind=ActionKind.WRITE, path=path, text=text, call_id=call_id))


def replaced(text: str, old: str, new: str) -> str:
    return replace_passage(text, old, new).text


def mismatch(text: str, old: str, new: str) -> str:
    with pytest.raises(EditFailed) as caught:
        replace_passage(text, old, new)
    return caught.value.message


def test_an_exact_passage_may_be_part_of_a_line() -> None:
    assert replaced("a = 1; b = 2\n", "b = 2", "b = 3") == "a = 1; b = 3\n"


def test_a_passage_is_found_without_regard_to_white_space_and_takes_the_files_indentation() -> None:
    old = "for item in items:\n    result += item\n"
    new = "for item in items:\n    if item:\n        result += item\n"
    expected = CODE.replace("        result += item", "        if item:\n            result += item")
    assert replaced(CODE, old, new) == expected


def test_tabs_in_the_file_stay_tabs() -> None:
    text = "def f():\n\tif x:\n\t\treturn 1\n"
    assert (
        replaced(text, "    if x:\n        return 1\n", "    if y:\n        return 2\n")
        == "def f():\n\tif y:\n\t\treturn 2\n"
    )


def test_a_block_that_is_nearly_the_same_is_shown_and_never_taken() -> None:
    old = "    result = 0\n    for item in itemz:\n        result += item\n    return result\n"
    reason = mismatch(CODE, old, "    return sum(items)\n")
    assert "does not occur in the file. Nearest, 9" in reason
    assert "    2|     result = 0\n" in reason


def test_a_single_line_is_never_guessed() -> None:
    assert "does not occur" in mismatch("value = compute(alpha)\n", "value = compute(alphb)\n", "x\n")


def test_a_passage_that_occurs_twice_is_named_with_its_lines() -> None:
    assert "2 times, at lines 1, 3" in mismatch("x = 1\ny\nx = 1\n", "x = 1\n", "x = 2\n")
    assert "2 times" in mismatch("  x = 1\ny\n    x = 1\n", "x  = 1\n", "x = 2\n")


def test_a_mismatch_shows_the_nearest_lines_with_their_numbers_and_no_block() -> None:
    reason = mismatch(CODE, "for thing in things:\n    outcome += thing\n", "pass\n")
    assert "    3|     for item in items:" in reason
    assert parse_text(reason, single_file="a.py") == ()


@pytest.mark.parametrize(("old", "new"), [("x", "y"), ("", "x"), ("\n \n", "x")])
def test_an_edit_without_sense_is_refused(old: str, new: str) -> None:
    assert mismatch("abc\n", old, new)


def test_a_passage_can_be_deleted() -> None:
    assert replaced("a\nb\nc\n", "b\n", "") == "a\nc\n"
    assert replaced("a\n  b\nc\n", "b \n", "") == "a\nc\n"


def test_line_ends_of_the_file_are_kept() -> None:
    assert replaced("a\r\nb\r\nc\r\n", "b\n", "x\ny\n") == "a\r\nx\r\ny\r\nc\r\n"
    assert replaced("  a\r\n  b\r\n", "a\nb\n", "x\ny\n") == "  x\r\n  y\r\n"
    assert replaced("a\nb\n", "b\r\n", "c\r\n") == "a\nc\n"


def test_a_last_line_without_line_end_stays_so() -> None:
    assert replaced("a\nlast", "last\n", "new\n") == "a\nnew"
    assert replaced("a\n  last\n  one", "last\none\n", "new\n") == "a\n  new"


@given(
    before=st.text(alphabet="ab \n\t\r", max_size=60),
    old=st.text(alphabet="ab \n\t", min_size=1, max_size=20),
    new=st.text(alphabet="xy \n", max_size=20),
    after=st.text(alphabet="ab \n\t\r", max_size=60),
)
def test_an_edit_changes_only_the_passage(before: str, old: str, new: str, after: str) -> None:
    text = before + old + after
    try:
        result = replace_passage(text, old, new)
    except EditFailed:
        return
    kept_before = "\n".join(text.split("\n")[: result.first_line - 1])
    kept_after = "\n".join(result.text.split("\n")[result.last_line :])
    assert result.text.startswith(kept_before)
    assert text.endswith(kept_after) or not kept_after.strip()


def test_mode_encoding_and_byte_order_mark_survive_an_edit(tmp_path: Path) -> None:
    file = tmp_path / "run.sh"
    file.write_bytes(b"\xef\xbb\xbfname=J\xc3\xb8rn\r\nx=1\r\n")
    file.chmod(0o755)
    assert edit(tmp_path, "run.sh", "x=1\n", "x=é\n").changed
    assert file.read_bytes() == b"\xef\xbb\xbfname=J\xc3\xb8rn\r\nx=\xc3\xa9\r\n"
    assert file.stat().st_mode & 0o777 == 0o755


def test_bytes_of_an_older_encoding_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes(b"J\xf8rn\nx\n")
    assert edit(tmp_path, "a.txt", "x\n", "é\n").changed
    assert file.read_bytes() == b"J\xf8rn\n\xe9\n"
    assert "no character U+6F22" in edit(tmp_path, "a.txt", "é\n", "漢\n").text
    assert file.read_bytes() == b"J\xf8rn\n\xe9\n"


def test_a_whole_file_keeps_its_line_ends(tmp_path: Path) -> None:
    (tmp_path / "crlf").write_bytes(b"a\r\nb\r\n")
    (tmp_path / "bare").write_bytes(b"a")
    assert write(tmp_path, "crlf", "a\nc").changed
    assert write(tmp_path, "bare", "b\n", call_id="").changed
    assert (tmp_path / "crlf").read_bytes() == b"a\r\nc\r\n"
    assert (tmp_path / "bare").read_bytes() == b"b"


def test_a_new_file_makes_its_folders(tmp_path: Path) -> None:
    change = write(tmp_path, "a/b/c.txt", "hi\n")
    assert (change.changed, (tmp_path / "a/b/c.txt").read_text()) == (True, "hi\n")


def test_an_absolute_path_into_the_worktree_is_understood(tmp_path: Path) -> None:
    assert write(tmp_path, f"{tmp_path}/a.txt", "hi\n").changed
    assert (tmp_path / "a.txt").read_text() == "hi\n"


@pytest.mark.parametrize(
    "path",
    ["../x", "a/../../x", "/etc/x", ".git/config", ".GIT/hooks/x", "sub/.git/config", "git~1/config", ".git./x",
     ".mimo/memory/x.md", ".MIMO/x", "", "a/", "a\0b"],
)  # fmt: skip
def test_paths_that_are_not_the_agents_are_refused(tmp_path: Path, path: str) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    assert write(root, path, "x\n").exit_code == 1
    assert list(tmp_path.rglob("*")) == [root]


def test_no_symbolic_link_is_written_through(tmp_path: Path) -> None:
    root, outside = tmp_path / "tree", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (outside / "f").write_text("mine\n")
    (root / "folder").symlink_to(outside)
    (root / "file").symlink_to(outside / "f")
    assert write(root, "folder/f", "x\n").exit_code == 1
    assert write(root, "file", "x\n").exit_code == 1
    assert edit(root, "file", "mine\n", "x\n").exit_code == 1
    assert (outside / "f").read_text() == "mine\n"


def test_a_binary_file_is_not_edited_but_may_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"\0\xff\1x")
    assert "binary" in edit(tmp_path, "b", "x", "y").text
    assert write(tmp_path, "b", "漢\n").changed


def test_a_change_that_breaks_the_syntax_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(CODE)
    assert "can't be parsed any more: line 1" in edit(tmp_path, "a.py", "def total(items):", "def total(items)").text
    assert "parsed" not in edit(tmp_path, "a.py", "return result", "return result + 1").text


def test_a_missing_file_and_an_unchanged_one_are_told(tmp_path: Path) -> None:
    assert "there is no file" in edit(tmp_path, "no.py", "x", "y").text
    write(tmp_path, "a", "x\n")
    assert "is like that already" in write(tmp_path, "a", "x\n").text
