"""When a room is taken and when it is free, in hours of the day."""


def taken(bookings):
    """The times taken, as pairs (start, end) in order. Bookings that overlap or touch are one time together."""
    times = []
    for start, end in sorted(bookings):
        if times and start <= times[-1][1]:
            times[-1] = (times[-1][0], end)
        else:
            times.append((start, end))
    return times


def free(bookings, opens, closes):
    """The times between opening and closing that are not taken; all bookings lie between the two."""
    gaps = []
    for start, end in taken(bookings):
        if opens < start:
            gaps.append((opens, start))
        opens = end
    if opens < closes:
        gaps.append((opens, closes))
    return gaps
