"""The "pages" field of a print dialogue."""


def parse_pages(text, total):
    """The page numbers that "1-3,7,9-" means, in the order given, of a document with `total` pages.

    Both ends of a range belong to it, and "9-" goes on to the last page. Pages after the last one are left out.
    """
    pages = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        start = int(first)
        stop = start + 1
        if dash:
            stop = int(last) + 1 if last else total
        pages.extend(range(start, min(stop, total + 1)))
    return pages


def count_sheets(text, total, per_sheet=1):
    """How many sheets of paper the pages need."""
    return -(-len(parse_pages(text, total)) // per_sheet)
