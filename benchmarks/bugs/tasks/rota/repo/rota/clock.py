"""Times of day as minutes after midnight."""

DAY = 24 * 60


def parse_time(text):
    """Turn "HH:MM" into minutes after midnight; "24:00" is the end of the day."""
    hours, _, minutes = text.strip().partition(":")
    value = int(hours) * 60 + int(minutes or 0)
    if not 0 <= value <= DAY:
        raise ValueError(f"not a time of day: {text!r}")
    return value


def format_time(minutes):
    """Turn minutes after midnight into "HH:MM"."""
    return f"{minutes // 60 % 24:02d}:{minutes % 60:02d}"
