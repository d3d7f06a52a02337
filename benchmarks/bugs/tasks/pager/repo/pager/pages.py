"""Which items are on a page and which page numbers are offered around it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Page:
    """One page of a list; numbers start at 1."""

    number: int
    items: tuple
    pages: int

    @property
    def has_next(self):
        return self.number < self.pages

    @property
    def has_previous(self):
        return self.number > 1


def count_pages(total, size):
    """How many pages `total` items need; an empty list has one empty page."""
    if size < 1:
        raise ValueError("a page holds at least one item")
    return max(1, (total + size - 1) // size)


def get_page(items, number, size=10):
    """The page with this number; numbers outside are moved to the nearest page."""
    pages = count_pages(len(items), size)
    number = min(max(number, 1), pages)
    start = (number - 1) * size
    return Page(number, tuple(items[start : start + size]), pages)


def window(number, pages, width=5):
    """The page numbers to offer: `width` of them, the current one in the middle where possible.

    Fewer only when there are fewer pages. All lie between 1 and `pages`.
    """
    first = max(1, number - width // 2)
    last = min(pages, first + width - 1)
    return list(range(first, last + 1))


def links(page, width=5):
    """The pager as text: "< 1 [2] 3 >"."""
    parts = [f"[{n}]" if n == page.number else str(n) for n in window(page.number, page.pages, width)]
    if page.has_previous:
        parts.insert(0, "<")
    if page.has_next:
        parts.append(">")
    return " ".join(parts)
