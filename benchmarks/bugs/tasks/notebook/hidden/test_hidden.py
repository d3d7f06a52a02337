from notebook.notes import Note, Notebook


def test_given_tags_are_copied():
    tags = ["a"]
    note = Note("x", tags)
    note.tag("b")
    assert tags == ["a"]
    assert note.tags == ["a", "b"]
    assert Note("y", tags).tags == ["a"]


def test_given_tuple():
    assert Note("x", ("a",)).tag("b").tags == ["a", "b"]


def test_added_once_in_any_case():
    assert Note("x").tag("Work", "WORK", "work").tags == ["Work"]
    assert Note("x").tag("work", "Work").tags == ["work"]


def test_counts():
    book = Notebook()
    book.add("1", "B", "a")
    book.add("2", "b")
    book.add("3")
    assert book.tag_counts() == [("b", 2), ("a", 1)]


def test_all_tags():
    book = Notebook()
    book.add("1", "A", "b")
    book.add("2", "a")
    assert [note.text for note in book.find(tags=["a", "B"])] == ["1"]
