import os
from pathlib import Path

from gitmimo.evidence import FileChange
from gitmimo.git.diff import AddedLine, DiffLine, added_lines, diff_chunks, diff_facts, diff_text, file_sections
from gitmimo.git.repository import Repository
from gitmimo.git.trees import edit_tree, write_files
from gitmimo.ids import Oid
from tests.conftest import GitBuilder

ODD = ["\x1b[31mred", "new\nline", "-dash", 'quo"te', "\udcff\udcfe", "tab\there", "a b", "ü"]


def changed(repository: Repository, base: Oid, files: dict[str, bytes | None]) -> Oid:
    return write_files(repository, repository.tree_of(base), files)


def test_facts_of_every_kind_of_change(git: GitBuilder, repository: Repository) -> None:
    body = b"".join(b"line %d\n" % number for number in range(30))
    git.write({"moved.py": body, "gone": "1\n2\n", "bin": b"\0\1", "mode": "1\n", "kind": "1\n"})
    start = Oid(git.commit({}))
    new = changed(
        repository, start, {"moved.py": None, "to/here.py": body + b"more\n", "gone": None, "bin": b"\0\2", "new": b"1"}
    )
    blob = repository.find_entry(new, "mode")
    assert blob is not None
    new = edit_tree(
        repository, new, {"mode": (blob.oid, 0o100755), "kind": (repository.write_blob(b"elsewhere"), 0o120000)}
    )
    facts = diff_facts(repository, start, new)
    assert facts.files == (
        FileChange(path="bin", status="M", is_binary=True),
        FileChange(path="gone", status="D", removed=2),
        FileChange(path="kind", status="T", added=1, removed=1),
        FileChange(path="mode", status="M"),
        FileChange(path="new", status="A", added=1),
        FileChange(path="to/here.py", status="R", added=1, old_path="moved.py"),
    )
    assert (facts.added, facts.removed) == (3, 3)


def test_equal_trees_have_no_difference(repository: Repository, base: Oid) -> None:
    assert diff_facts(repository, base, base).files == ()
    assert diff_text(repository, base, base) == b""
    assert list(added_lines(repository, base, base)) == []


def test_odd_names_and_bytes_come_through(repository: Repository, base: Oid) -> None:
    new = changed(repository, base, dict.fromkeys(ODD, b"one\r\n\xff\x0c\x85\n@@ -1 +1 @@\n+++ b/x\nlast"))
    assert {change.path: change.added for change in diff_facts(repository, base, new).files} == dict.fromkeys(ODD, 5)
    lines = list(added_lines(repository, base, new))
    texts = [b"one\r", b"\xff\x0c\x85", b"@@ -1 +1 @@", b"+++ b/x", b"last"]
    for name in ODD:
        assert [line for line in lines if line.path == name] == [
            AddedLine(path=name, number=number, text=text) for number, text in enumerate(texts, 1)
        ]
    sections = dict(file_sections(repository, base, new))
    assert sections.keys() == set(ODD)
    for name in ODD:
        assert [os.fsencode(line.text) for line in sections[name].lines if line.mark == "+"] == texts
    assert b"\x1b" not in diff_text(repository, base, new)


def test_added_lines_have_their_number_in_the_new_file(git: GitBuilder, repository: Repository) -> None:
    text = [f"line {number}\n" for number in range(1, 41)]
    start = Oid(git.commit({"a": "".join(text), "b": "1\n"}))
    text[4] = "changed 5\n"
    text[20:20] = ["added 21\n", "added 22\n"]
    new = changed(repository, start, {"a": "".join(text).encode(), "b": None, "c": b""})
    assert [(line.path, line.number, line.text) for line in added_lines(repository, start, new)] == [
        ("a", 5, b"changed 5"),
        ("a", 21, b"added 21"),
        ("a", 22, b"added 22"),
    ]


def test_hunks_have_their_place_and_sections_their_name(git: GitBuilder, repository: Repository) -> None:
    text = ["def f():\n", *(f"    line {number}\n" for number in range(2, 30))]
    git.write({"a.py": "".join(text), "kind": "1\n", "moved": "same\n" * 9})
    start = Oid(git.commit({}))
    text[20] = "    new 21\n"
    new = changed(
        repository, start, {"a.py": "".join(text).encode(), "moved": None, "there": b"same\n" * 9, "z": b"\0"}
    )
    new = edit_tree(repository, new, {"kind": (repository.write_blob(b"link"), 0o120000)})
    found = list(file_sections(repository, start, new))
    assert [(path, sum(line.mark == "@" for line in section.lines)) for path, section in found] == [
        ("a.py", 1),
        ("kind", 1),
        ("kind", 1),
        ("there", 0),
        ("z", 0),
    ]
    lines = found[0][1].lines
    assert lines[0] == DiffLine("@", 18, 18, "def f():")
    assert lines[4:6] == (DiffLine("-", 21, 0, "    line 21"), DiffLine("+", 0, 21, "    new 21"))
    assert "similarity index 100%" in found[3][1].remarks


def test_programs_of_the_configuration_do_not_run_and_style_does_not_matter(
    git: GitBuilder, base: Oid, tmp_path: Path
) -> None:
    start = Oid(git.commit({".gitattributes": "*.py diff=evil\n"}))
    for key in ("diff.external", "diff.evil.textconv", "diff.evil.command"):
        git("config", key, f"touch {tmp_path}/ran")
    for key, value in (("diff.noprefix", "true"), ("color.ui", "always"), ("diff.renames", "false")):
        git("config", key, value)
    repository = Repository.discover(git.path)
    new = changed(repository, start, {"a.py": b"x = 2\n"})
    assert b"--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-x = 1\n+x = 2\n" in diff_text(repository, start, new)
    assert not (tmp_path / "ran").exists()


def test_a_large_diff_can_be_read_in_part(repository: Repository, base: Oid) -> None:
    new = changed(repository, base, {"large": b"line of text\n" * 200_000})
    chunks = diff_chunks(repository, base, new)
    assert sum(len(next(chunks)) for _ in range(100)) < 5_000
    chunks.close()  # type: ignore[attr-defined]
    assert sum(1 for _ in added_lines(repository, base, new)) == 200_000
