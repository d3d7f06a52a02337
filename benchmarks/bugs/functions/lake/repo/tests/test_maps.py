from lake.maps import lake_size, largest_lake


def test_land():
    assert lake_size(["~.", ".~"], 0, 1) == 0


def test_off_the_map():
    assert lake_size(["~~"], 1, 0) == 0


def test_from_the_upper_left():
    assert lake_size(["~~.", ".~~"], 0, 0) == 4


def test_from_the_right():
    assert lake_size(["~~~."], 0, 2) == 3


def test_corners_do_not_join():
    assert lake_size(["~.", ".~"], 0, 0) == 1


def test_largest():
    assert largest_lake(["..~", "~~~", "~.."]) == 5
