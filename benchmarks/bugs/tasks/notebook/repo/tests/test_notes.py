from notebook.notes import Note, Notebook


def test_words_are_found():
    book = Notebook()
    book.add("Buy milk")
    book.add("Sell car")
    assert [note.text for note in book.find("MILK")] == ["Buy milk"]


def test_tags_stay_with_their_note():
    assert Note("a").tag("x").tags == ["x"]
    assert Note("b").tags == []


def test_tags_are_found_in_any_case():
    book = Notebook()
    book.add("Buy milk", "Shop")
    assert len(book.find(tags=["SHOP"])) == 1
    assert len(book.find(tags=["shop"])) == 1


def test_a_tag_is_added_once():
    assert Note("c", []).tag("X", "x").tags == ["X"]
