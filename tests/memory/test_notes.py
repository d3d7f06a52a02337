"""Notes: one line each, grouped, pinned to the commit they rest on, and mergeable."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitmimo.errors import BadMemory, SecretFound
from gitmimo.git.repository import Repository
from gitmimo.memory.notes import (
    ATTRIBUTES_PATH,
    MEMORY_PATH,
    NoteKind,
    add_notes,
    find_note,
    format_notes,
    new_note,
    parse_notes,
    read_notes,
)
from tests.conftest import GitBuilder

KINDS = st.sampled_from(list(NoteKind))
TEXTS = st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S", "Zs")), min_size=1, max_size=60)


@settings(deadline=None)
@given(st.lists(st.tuples(KINDS, TEXTS), max_size=8))
def test_what_is_written_reads_back(pairs: list[tuple[NoteKind, str]]) -> None:
    notes = {}
    for kind, text in pairs:
        if text.split() and not text.rstrip().endswith("]"):
            note = new_note(kind, text, commit="0123456789", sources=("a.py",))
            notes.setdefault(note.id, note)
    read = parse_notes(format_notes(list(notes.values())))
    assert sorted(read, key=lambda note: note.id) == sorted(notes.values(), key=lambda note: note.id)


def test_what_a_union_merge_leaves_is_read_once_and_grouped() -> None:
    text = "## Rules\n\n- use tabs [0123456789]\n\n## Facts\n\n- port 54329\n## Rules\n- use tabs\n- no globals\n"
    assert [(note.kind, note.text) for note in parse_notes(text)] == [
        (NoteKind.RULE, "use tabs"),
        (NoteKind.FACT, "port 54329"),
        (NoteKind.RULE, "no globals"),
    ]


def test_a_line_that_a_person_wrapped_is_one_note() -> None:
    assert [note.text for note in parse_notes("## Facts\n\n- money is in cents,\n  whole ones\n")] == [
        "money is in cents, whole ones"
    ]


@pytest.mark.parametrize("text", ["", " \n ", "x" * 401, "right to \u202e left"])
def test_a_text_that_is_no_note_is_refused(text: str) -> None:
    with pytest.raises(BadMemory):
        new_note(NoteKind.FACT, text)


def test_a_secret_is_never_a_note() -> None:
    with pytest.raises(SecretFound):
        new_note(NoteKind.FACT, "the key is sk-ant-api03-" + "Ab3" * 30)


def test_a_note_is_stale_when_a_file_it_rests_on_has_changed_since(git: GitBuilder) -> None:
    first = git.commit({"a.py": "x = 1\n", "b.py": "y = 1\n"})
    repository = Repository.discover(git.path)
    note = new_note(NoteKind.FACT, "x is one", commit=first, sources=("a.py",))
    git.commit(dict(add_notes(repository, first, [note])), "notes")  # type: ignore[arg-type]
    head = git.commit({"b.py": "y = 2\n"})
    assert [found.is_stale for found in read_notes(repository, head)] == [False]
    head = git.commit({"a.py": "x = 2\n"})
    assert [found.is_stale for found in read_notes(repository, head)] == [True]


def test_a_note_whose_commit_this_clone_lacks_counts_as_current(git: GitBuilder) -> None:
    head = git.commit({"a.py": "x\n", MEMORY_PATH: "## Facts\n\n- x [0123456789; a.py]\n"})
    assert [note.is_stale for note in read_notes(Repository.discover(git.path), head)] == [False]


def test_adding_what_is_known_changes_nothing_and_the_first_brings_the_merge_rule(git: GitBuilder) -> None:
    head = git.commit({"a.py": "x\n"})
    repository = Repository.discover(git.path)
    note = new_note(NoteKind.RULE, "never mock git", commit=head)
    changes = add_notes(repository, head, [note])
    assert set(changes) == {MEMORY_PATH, ATTRIBUTES_PATH}
    head = git.commit(dict(changes), "notes")  # type: ignore[arg-type]
    assert add_notes(repository, head, [new_note(NoteKind.RULE, "Never  mock git")]) == {}
    assert find_note(read_notes(repository, head), note.id[:4]).text == "never mock git"
    with pytest.raises(BadMemory, match="no such note"):
        find_note(read_notes(repository, head), "zzzz")


def test_branches_that_both_learn_merge_without_a_conflict(git: GitBuilder) -> None:
    base = git.commit({"a.py": "x\n", ATTRIBUTES_PATH: "MEMORY.md merge=union\n", MEMORY_PATH: format_notes(())})
    repository = Repository.discover(git.path)
    for branch in ("one", "two"):
        git("switch", "-q", "-c", branch, base)
        notes = [new_note(kind, f"what {branch} says of {kind.value}") for kind in (NoteKind.RULE, NoteKind.FACT)]
        git.commit(dict(add_notes(repository, base, notes)), branch)  # type: ignore[arg-type]
    git("merge", "-q", "--no-edit", "one")
    notes = read_notes(repository, git("rev-parse", "HEAD"))
    assert {note.text for note in notes} == {f"what {b} says of {k}" for b in ("one", "two") for k in ("rule", "fact")}
    assert {note.kind for note in notes if note.text.endswith("rule")} == {NoteKind.RULE}
