import os.path
from itertools import combinations, product

from sharedpath.folders import common_folder, shorten

PATHS = ["/" + "/".join(parts) for length in (1, 2, 3) for parts in product(("a", "ab"), repeat=length)]


def test_all_pairs():
    for pair in product(PATHS, PATHS):
        assert common_folder(list(pair)) == os.path.commonpath(pair)


def test_all_threes():
    for three in combinations(PATHS, 3):
        assert common_folder(list(three)) == os.path.commonpath(three)


def test_shorten():
    assert shorten(["/etc/hosts", "/usr/bin/env"]) == ["etc/hosts", "usr/bin/env"]
    assert shorten(["/a/b/c", "/a/b/d"]) == ["c", "d"]
