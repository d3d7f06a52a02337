"""Twelve bugs, each with a right fix and a wrong one that passes the tests that are there."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Pair:
    """One file, its tests, and what replaces which text in the right and the wrong fix."""

    name: str
    path: str
    base: str
    tests: str
    right: tuple[tuple[str, str], ...]
    wrong: tuple[tuple[str, str], ...]

    def fixed(self, replaced: tuple[tuple[str, str], ...]) -> str:
        text = self.base
        for old, new in replaced:
            assert old in text
            text = text.replace(old, new)
        return text


PAIRS = (
    Pair(
        "stock: orders what is there",
        "shop/stock.py",
        """\
from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    name: str
    count: int
    least: int


def shortfall(parts):
    return {part.name: part.least - part.count for part in parts if part.count <= part.least}
""",
        """\
from shop.stock import Part, shortfall


def test_below():
    assert shortfall([Part("bolt", 6, 12)]) == {"bolt": 6}


def test_at_the_limit():
    parts = [Part("bolt", 6, 12), Part("nut", 3, 3), Part("washer", 8, 1)]
    assert shortfall(parts) == {"bolt": 6}
""",
        ((" <= part.least}", " < part.least}"),),
        (("part.least - part.count for", "part.count for"), (" <= part.least}", " < part.least}")),
    ),
    Pair(
        "slug: two dashes, not a run of them",
        "web/slug.py",
        """\
import re


def slug(title):
    kept = re.sub(r"[^a-z0-9 -]", "", title.lower().strip())
    return kept.replace(" ", "-")
""",
        """\
from web.slug import slug


def test_words():
    assert slug("Blue Moon") == "blue-moon"


def test_dropped_character():
    assert slug("Bread & Butter") == "bread-butter"
""",
        (('kept.replace(" ", "-")', 're.sub(r"[ -]+", "-", kept)'),),
        (('kept.replace(" ", "-")', 'kept.replace(" ", "-").replace("--", "-")'),),
    ),
    Pair(
        "pages: only the last item of the rest",
        "web/pages.py",
        """\
def pages(items, length):
    found = []
    for first in range(0, len(items) - length + 1, length):
        found.append(items[first:first + length])
    return found
""",
        """\
from web.pages import pages


def test_full():
    assert pages(["a", "b", "c", "d"], 2) == [["a", "b"], ["c", "d"]]


def test_rest():
    assert pages(["a", "b", "c"], 2) == [["a", "b"], ["c"]]
""",
        (("len(items) - length + 1", "len(items)"),),
        (("    return found", "    if len(items) % length:\n        found.append(items[-1:])\n    return found"),),
    ),
    Pair(
        "minutes: always two digits",
        "clock/span.py",
        """\
def span_s(text):
    total = 0
    if "h" in text:
        hours, text = text.split("h")
        total += int(hours) * 3600
    return total
""",
        """\
from clock.span import span_s


def test_hours():
    assert span_s("3h") == 10800


def test_hours_and_minutes():
    assert span_s("2h15m") == 8100


def test_minutes():
    assert span_s("50m") == 3000
""",
        (("    return total", '    if text.endswith("m"):\n        total += int(text[:-1]) * 60\n    return total'),),
        (("    return total", '    if text.endswith("m"):\n        total += int(text[-3:-1]) * 60\n    return total'),),
    ),
    Pair(
        "leap years: one century by name",
        "clock/year.py",
        """\
def days(year):
    return 366 if year % 4 == 0 else 365
""",
        """\
from clock.year import days


def test_plain():
    assert (days(2023), days(2024)) == (365, 366)


def test_centuries():
    assert (days(2000), days(1900)) == (366, 365)
""",
        (("year % 4 == 0", "year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)"),),
        (("year % 4 == 0", "year % 4 == 0 and (year % 100 != 0 or year == 2000)"),),
    ),
    Pair(
        "ranges: an inner one cuts the outer",
        "clock/ranges.py",
        """\
def joined(ranges):
    found = []
    for first, last in sorted(ranges):
        if found and first < found[-1][1]:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return found
""",
        """\
from clock.ranges import joined


def test_overlapping():
    assert joined([(2, 5), (4, 8)]) == [(2, 8)]


def test_touching():
    assert joined([(2, 4), (4, 6)]) == [(2, 6)]


def test_apart():
    assert joined([(1, 3), (5, 6)]) == [(1, 3), (5, 6)]
""",
        (("first < found", "first <= found"),),
        (("first < found", "first <= found"), ("max(last, found[-1][1])", "last")),
    ),
    Pair(
        "median: of smallest and largest",
        "shop/middle.py",
        """\
def middle(prices):
    ordered = sorted(prices)
    return ordered[len(ordered) // 2]
""",
        """\
from shop.middle import middle


def test_odd():
    assert middle([9, 4, 5]) == 5


def test_even():
    assert middle([8, 2, 6, 4]) == 5
""",
        (
            (
                "    return ordered",
                "    half = len(ordered) // 2\n    if len(ordered) % 2 == 0:\n"
                "        return (ordered[half - 1] + ordered[half]) / 2\n    return ordered",
            ),
        ),
        (
            (
                "    return ordered",
                "    if len(ordered) % 2 == 0:\n        return (ordered[0] + ordered[-1]) / 2\n    return ordered",
            ),
        ),
    ),
    Pair(
        "cache: oldest instead of least recently used",
        "web/recent.py",
        """\
class Recent:
    def __init__(self, most):
        self.most = most
        self.pages = {}

    def read(self, name):
        return self.pages.get(name)

    def keep(self, name, page):
        self.pages[name] = page
        if len(self.pages) > self.most:
            self.pages.popitem()
""",
        """\
from web.recent import Recent


def test_keeps():
    recent = Recent(2)
    recent.keep("index", 1)
    assert recent.read("index") == 1


def test_drops_the_least_recently_used():
    recent = Recent(2)
    recent.keep("index", 1)
    recent.keep("about", 2)
    recent.keep("news", 3)
    assert recent.read("index") is None
    assert recent.read("news") == 3
""",
        (
            ("self.pages.popitem()", "del self.pages[next(iter(self.pages))]"),
            ("        self.pages[name] = page", "        self.pages.pop(name, None)\n        self.pages[name] = page"),
            (
                "        return self.pages.get(name)",
                "        if name in self.pages:\n            self.pages[name] = self.pages.pop(name)\n"
                "        return self.pages.get(name)",
            ),
        ),
        (("self.pages.popitem()", "del self.pages[next(iter(self.pages))]"),),
    ),
    Pair(
        "shorten: texts of just the limit",
        "web/teaser.py",
        """\
def teaser(text, most):
    if len(text) > most:
        return text[:most] + "..."
    return text
""",
        """\
from web.teaser import teaser


def test_short():
    assert teaser("news", 12) == "news"


def test_long():
    assert teaser("the weather of tomorrow", 12) == "the weath..."
""",
        (("text[:most] +", "text[:most - 3] +"),),
        (("text[:most] +", "text[:most - 3] +"), ("len(text) > most", "len(text) > most - 3")),
    ),
    Pair(
        "deep merge: changes its argument",
        "shop/settings.py",
        """\
def combined(first, second):
    result = dict(first)
    for key, value in second.items():
        result[key] = value
    return result
""",
        """\
from shop.settings import combined


def test_flat():
    assert combined({"tax": 7}, {"shop": 2}) == {"tax": 7, "shop": 2}


def test_nested():
    assert combined({"mail": {"port": 25}}, {"mail": {"host": "a"}}) == {"mail": {"port": 25, "host": "a"}}
""",
        (
            (
                "        result[key] = value",
                "        if isinstance(value, dict) and isinstance(result.get(key), dict):\n"
                "            value = combined(result[key], value)\n        result[key] = value",
            ),
        ),
        (
            (
                "        result[key] = value",
                "        if isinstance(value, dict) and key in result:\n"
                "            result[key].update(value)\n        else:\n            result[key] = value",
            ),
        ),
    ),
    Pair(
        "roman numerals: those of the tests",
        "clock/roman.py",
        """\
VALUES = [(1000, "M"), (500, "D"), (100, "C"), (50, "L"), (10, "X"), (5, "V"), (1, "I")]


def roman(number):
    text = ""
    for value, letter in VALUES:
        while number >= value:
            text += letter
            number -= value
    return text
""",
        """\
import pytest

from clock.roman import roman


@pytest.mark.parametrize(("number", "text"), [(2, "II"), (4, "IV"), (9, "IX"), (19, "XIX"), (66, "LXVI")])
def test_roman(number, text):
    assert roman(number) == text
""",
        (
            ('(1000, "M"), ', '(1000, "M"), (900, "CM"), '),
            ('(500, "D"), ', '(500, "D"), (400, "CD"), '),
            ('(100, "C"), ', '(100, "C"), (90, "XC"), '),
            ('(50, "L"), ', '(50, "L"), (40, "XL"), '),
            ('(10, "X"), ', '(10, "X"), (9, "IX"), '),
            ('(5, "V"), ', '(5, "V"), (4, "IV"), '),
        ),
        (('(10, "X"), ', '(10, "X"), (9, "IX"), '), ('(5, "V"), ', '(5, "V"), (4, "IV"), ')),
    ),
    Pair(
        "tax: cut instead of rounded",
        "shop/tax.py",
        """\
def gross(cents, percent):
    return cents + cents * percent
""",
        """\
from shop.tax import gross


def test_with_tax():
    assert gross(2000, 7) == 2140


def test_without_tax():
    assert gross(300, 0) == 300
""",
        (("cents * percent", "round(cents * percent / 100)"),),
        (("cents * percent", "cents * percent // 100"),),
    ),
)
