"""Groups records into batches, limited by number and by size."""


class TooBig(ValueError):
    """One record is larger than a batch may be."""

    def __init__(self, index, size):
        super().__init__(f"record {index} has size {size}")
        self.index = index
        self.size = size


def batches(records, max_count=100, max_size=None, measure=len):
    """Yield lists of records in order: at most `max_count` records and at most `max_size` together in each.

    No list is empty and no record is lost. A record larger than `max_size` raises TooBig, after everything before it was
    yielded.
    """
    if max_count < 1:
        raise ValueError("a batch holds at least one record")
    batch = []
    size = 0
    for index, record in enumerate(records):
        amount = measure(record) if max_size is not None else 0
        if max_size is not None and size + amount > max_size:
            yield batch
            batch = []
            size = 0
            continue
        batch.append(record)
        size += amount
        if len(batch) == max_count:
            yield batch
            batch = []
            size = 0
    yield batch


def describe(records, **limits):
    """One line per batch: its number, how many records and the first and last of them."""
    lines = []
    for number, batch in enumerate(batches(records, **limits), start=1):
        lines.append(f"{number}: {len(batch)} records, {batch[0]}..{batch[-1]}")
    return lines
