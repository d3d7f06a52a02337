import pytest

from folders.paths import common_folder


@pytest.mark.parametrize(
    ("paths", "folder"),
    [
        ([], ""),
        (["/a/b"], "/a/b"),
        (["a/b"], "a/b"),
        (["/a/b", "/a/b/c"], "/a/b"),
        (["/a/b/c", "/a/b"], "/a/b"),
        (["/a-b/x", "/a/x"], "/"),
        (["a", "b"], ""),
        (["Alpha", "Beta"], ""),
        (["a/x", "a/y", "b"], ""),
        (["/data/photos/x", "/data/photos-old/x", "/data/photos/y"], "/data"),
        (["/a/b!c", "/a/b/d", "/a/b"], "/a"),
        (["/", "/a"], "/"),
        (["x/1", "x/12", "x/123"], "x"),
    ],
)
def test_many(paths, folder):
    assert common_folder(paths) == folder
