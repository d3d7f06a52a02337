from itertools import combinations

from bookings.rooms import free, taken

ALL = list(combinations(range(6), 2))


def hours(times):
    return {hour for start, end in times for hour in range(start, end)}


def test_every_three_bookings():
    for bookings in combinations(ALL, 3):
        for order in (bookings, bookings[::-1]):
            times = taken(list(order))
            assert hours(times) == hours(bookings)
            assert all(before[1] < after[0] for before, after in zip(times, times[1:]))


def test_free_is_the_rest():
    for bookings in combinations(ALL, 2):
        gaps = free(list(bookings), 0, 6)
        assert hours(gaps) == set(range(6)) - hours(bookings)
        assert all(start < end for start, end in gaps)


def test_no_bookings():
    assert taken([]) == []
    assert free([], 8, 18) == [(8, 18)]
