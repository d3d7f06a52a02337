"""Leaving out lines that were there before."""


def only_once(lines, seen=set()):
    """The lines without repetitions: the first of equal ones is kept, in order.

    Lines in the set `seen` count as repetitions too, and every line kept is added to it, so that several calls can
    share one. Without it a call knows nothing of others.
    """
    kept = []
    for line in lines:
        if line not in seen:
            seen.add(line)
            kept.append(line)
    return kept


def merge_files(files):
    """All lines of several lists of lines, each line only once."""
    seen = set()
    return [line for lines in files for line in only_once(lines, seen)]
