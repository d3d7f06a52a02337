from bookings.rooms import free, taken


def test_apart():
    assert taken([(14, 16), (9, 11)]) == [(9, 11), (14, 16)]


def test_overlapping():
    assert taken([(9, 12), (11, 14)]) == [(9, 14)]


def test_touching():
    assert taken([(9, 11), (11, 12)]) == [(9, 12)]


def test_one_within_another():
    assert taken([(9, 15), (10, 11)]) == [(9, 15)]


def test_free():
    assert free([(9, 11), (14, 16)], 8, 18) == [(8, 9), (11, 14), (16, 18)]


def test_free_after_a_long_booking():
    assert free([(8, 17), (9, 10), (12, 13)], 8, 18) == [(17, 18)]
