from sitenames.urls import drop_ending, page_url


def test_names_that_end_in_letters_of_the_ending():
    assert drop_ending("hotmail.html") == "hotmail"
    assert drop_ending("readmd.md") == "readmd"
    assert drop_ending("math.htm") == "math"
    assert drop_ending("first.rst") == "first"


def test_case():
    assert drop_ending("HTML.HTML") == "HTML"
    assert page_url("Index.MD") == "/"


def test_one_ending_only():
    assert drop_ending("notes.md.html") == "notes.md"
    assert drop_ending("page.html.md") == "page.html"
    assert drop_ending("a.html.htm") == "a.html"


def test_no_ending():
    assert drop_ending("LICENSE") == "LICENSE"
    assert drop_ending("a.txt") == "a.txt"
