from sharedpath.folders import common_folder, shorten


def test_neighbours():
    assert common_folder(["/srv/www/a", "/srv/www/b/c"]) == "/srv/www"


def test_one_is_above_the_other():
    assert common_folder(["/srv/www/b/c", "/srv/www"]) == "/srv/www"


def test_names_that_begin_alike():
    assert common_folder(["/home/ann/x", "/home/anna/x"]) == "/home"


def test_nothing_in_common():
    assert common_folder(["/etc/hosts", "/usr/bin/env"]) == "/"


def test_shorten():
    assert shorten(["/srv/www/a", "/srv/www/b/c"]) == ["a", "b/c"]
