import pytest

from folders.paths import clean, common_folder, is_inside, relative


def test_clean():
    assert clean("/a//b/./c/../d/") == "/a/b/d"
    assert clean("../x/..") == ".."


def test_inside():
    assert is_inside("/a/b", "/a")
    assert not is_inside("/ab", "/a")
    assert relative("/a/b/c", "/a") == "b/c"


def test_common_folder():
    assert common_folder(["/data/photos/a", "/data/photos/b"]) == "/data/photos"
    assert common_folder(["/x", "/y"]) == "/"


def test_names_that_begin_alike():
    assert common_folder(["/data/photos", "/data/photos-old"]) == "/data"


def test_mixed():
    with pytest.raises(ValueError):
        common_folder(["/a", "a"])
