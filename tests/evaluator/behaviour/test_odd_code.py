"""Code that is hard to compare: no difference where there is none, no endless run, nothing of it in our process."""

import textwrap
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from gitmimo.behaviour import BehaviourReport, DifferenceKind
from gitmimo.codec import from_json, to_json
from gitmimo.evaluator.behaviour.compare import compare_behaviour
from gitmimo.evaluator.testbed import TestBed
from tests.conftest import GitBuilder
from tests.evaluator.behaviour.conftest import Compare
from tests.evaluator.conftest import measured


def _files(code: str, tests: str) -> dict[str, str]:
    return {"odd/__init__.py": "", "odd/core.py": textwrap.dedent(code), "tests/test_core.py": textwrap.dedent(tests)}


SAME = {
    "a generator": (
        "def up_to(n):\n    for i in range(n):\n        yield i\n",
        "def up_to(n):\n    yield from range(n)\n",
        "from odd.core import up_to\n\ndef test_it():\n    assert list(up_to(4)) == [0, 1, 2, 3]\n",
    ),
    "an endless generator": (
        "def odd_numbers(first):\n    while True:\n        yield first\n        first += 2\n",
        "import itertools\n\ndef odd_numbers(first):\n    return itertools.count(first, 2)\n",
        "from odd.core import odd_numbers\n\ndef test_it():\n    assert next(odd_numbers(3)) == 3\n",
    ),
    "a coroutine": (
        "async def double(n):\n    return n * 2\n",
        "async def double(n):\n    return n + n\n",
        "import asyncio\nfrom odd.core import double\n\ndef test_it():\n    assert asyncio.run(double(4)) == 8\n",
    ),
    "a callable as argument": (
        "def kept(items, wanted):\n    return [i for i in items if wanted(i)]\n",
        "def kept(items, wanted):\n    return list(filter(wanted, items))\n",
        "from odd.core import kept\n\nLEAST = 2\n\n"
        "def test_it():\n    more = 1\n    assert kept([1, 4, 3], lambda n: n > LEAST + more) == [4]\n",
    ),
    "chance": (
        "import random\n\ndef pick(items):\n    return random.choice(items)\n",
        "import random\n\ndef pick(items):\n    return random.choice(list(items))\n",
        "from odd.core import pick\n\ndef test_it():\n    assert pick(['a', 'b']) in 'ab'\n",
    ),
    "the clock": (
        "import time\n\ndef stamp(name):\n    return f'{name}-{time.time()}'\n",
        "import time\n\ndef stamp(name):\n    return name + '-' + str(time.time())\n",
        "from odd.core import stamp\n\ndef test_it():\n    assert stamp('a').startswith('a-')\n",
    ),
    "the order of a set": (
        "def letters(text):\n    return list(set(text))\n",
        "def letters(text):\n    return list(set(list(text)))\n",
        "from odd.core import letters\n\ndef test_it():\n    assert sorted(letters('abca')) == ['a', 'b', 'c']\n",
    ),
    "otherwise when recorded": (
        "import builtins, sys\n\ndef add(a, b):\n"
        "    seen = sys.getprofile() or any('mimo' in n for n in vars(builtins))\n"
        "    return a + b + (1 if seen and a > 50 else 0)\n",
        "import builtins, sys\n\ndef add(a, b):\n"
        "    seen = sys.getprofile() or any('mimo' in n for n in vars(builtins))\n"
        "    return b + a + (1 if seen and a > 50 else 0)\n",
        "from odd.core import add\n\ndef test_it():\n    assert add(2, 3) == 5\n",
    ),
    "a repr that changes": (
        "class Point:\n    def __init__(self, x):\n        self.x = x\n    def __repr__(self):\n"
        "        return str(id(self))\n\n"
        "def moved(point, by):\n    return Point(point.x + by)\n",
        "class Point:\n    def __init__(self, x):\n        self.x = x\n    def __repr__(self):\n"
        "        return str(id(self))\n\n"
        "def moved(point, by):\n    return Point(by + point.x)\n",
        "from odd.core import Point, moved\n\ndef test_it():\n    assert moved(Point(1), 2).x == 3\n",
    ),
    "other private attributes": (
        "class Tally:\n    def __init__(self):\n        self._seen = []\n    def add(self, name):\n"
        "        self._seen.append(name)\n"
        "        return len(self._seen)\n",
        "class Tally:\n    def __init__(self):\n        self._count = 0\n    def add(self, name):\n"
        "        self._count += 1\n"
        "        return self._count\n",
        "from odd.core import Tally\n\ndef test_it():\n    t = Tally()\n    t.add('a')\n    assert t.add('b') == 2\n",
    ),
    "another split into helpers": (
        "def _half(n):\n    return n // 2\n\ndef middle(items):\n    return sorted(items)[_half(len(items))]\n",
        "def _half(items):\n    return len(items) // 2\n\ndef middle(items):\n    return sorted(items)[_half(items)]\n",
        "from odd.core import middle\n\ndef test_it():\n    assert middle([3, 1, 2]) == 2\n",
    ),
    "a look into a defaultdict": (
        "def count(seen, word):\n    return seen.get(word, 0)\n",
        "def count(seen, word):\n    return seen[word]\n",
        "import collections\nfrom odd.core import count\n\ndef test_it():\n"
        "    assert count(collections.defaultdict(int, a=1), 'a') == 1\n",
    ),
    "floats in another order": (
        "def total(prices):\n    return sum(prices)\n",
        "def total(prices):\n    return sum(reversed(prices))\n",
        "from odd.core import total\n\ndef test_it():\n    assert total([0.1, 0.2, 0.3, 1e3]) > 1000\n",
    ),
}


def _joined(cases: Mapping[str, tuple[str, str]]) -> dict[str, str]:
    """A project with the code and the tests of every case in a module of its own."""
    files = {"odd/__init__.py": ""}
    for number, (code, tests) in enumerate(cases.values()):
        files[f"odd/core_{number}.py"] = textwrap.dedent(code)
        files[f"tests/test_core_{number}.py"] = textwrap.dedent(tests).replace("odd.core", f"odd.core_{number}")
    return files


def test_no_difference_where_there_is_none(compare: Compare) -> None:
    base = _joined({name: (before, tests) for name, (before, _, tests) in SAME.items()})
    same = {f"odd/core_{number}.py": after for number, (_, after, _) in enumerate(SAME.values())}
    again = {path: f"{base[path]}\n\nX = 1\n" for path in same}
    found = compare(base, same=same, again=again)
    assert found["same"].differences == ()
    assert len(found.report.groups) == 1
    compared = {function.partition("::")[0] for function in found.report.functions}
    left = {name for number, name in enumerate(SAME) if f"odd/core_{number}.py" not in compared}
    assert left <= {"chance", "the clock", "the order of a set"}
    assert found.report.dropped


Case = tuple[str, tuple[str, str], str, DifferenceKind]
DIFFERENT: dict[str, Case] = {
    "a generator": (
        "def up_to(n):\n    for i in range(n):\n        yield i\n",
        ("range(n)", "range(n + 1)"),
        "from odd.core import up_to\n\ndef test_it():\n    assert 0 in up_to(4)\n",
        DifferenceKind.OTHER_ANSWER,
    ),
    "a coroutine": (
        "async def double(n):\n    return n * 2\n",
        ("n * 2", "n * 2 if n < 10 else 0"),
        "import asyncio\nfrom odd.core import double\n\ndef test_it():\n    assert asyncio.run(double(4)) == 8\n",
        DifferenceKind.OTHER_ANSWER,
    ),
    "a repr that lies": (
        "class Point:\n    def __init__(self, x):\n        self.x = x\n    def __repr__(self):\n"
        "        return 'Point'\n"
        "    def __eq__(self, other):\n        return True\n\ndef moved(point, by):\n    return Point(point.x + by)\n",
        ("point.x + by)", "point.x - by)"),
        "from odd.core import Point, moved\n\ndef test_it():\n    assert moved(Point(1), 2)\n",
        DifferenceKind.OTHER_ANSWER,
    ),
    "prints": (
        "def count(n):\n    return n\n",
        ("    return n", "    print('counting', n)\n    return n"),
        "from odd.core import count\n\ndef test_it():\n    assert count(8) == 8\n",
        DifferenceKind.OTHER_OUTPUT,
    ),
    "chance comes in": (
        "import random\n\ndef count(n):\n    return n\n",
        ("    return n", "    return n if n == 8 else random.random()"),
        "from odd.core import count\n\ndef test_it():\n    assert count(8) == 8\n",
        DifferenceKind.NOW_ERROR,
    ),
    "a method": (
        "class Account:\n    def __init__(self, balance):\n        self.balance = balance\n\n"
        "    def pay(self, cents):\n        self.balance -= cents\n",
        ("-= cents", "-= min(cents, self.balance)"),
        "from odd.core import Account\n\ndef test_it():\n    a = Account(100)\n    a.pay(30)\n"
        "    assert a.balance == 70\n",
        DifferenceKind.OTHER_ANSWER,
    ),
    "an unused function with annotations": (
        "def clamp(value: int, limits: tuple[int, int] | None = None) -> int:\n"
        "    return value if limits is None else max(limits[0], min(value, limits[1]))\n",
        ("limits is None", "not limits or limits[0] > limits[1]"),
        "def test_it():\n    assert True\n",
        DifferenceKind.OTHER_ANSWER,
    ),
}


OBJECTS: dict[str, Case] = {
    "nodes that know their parent": (
        "class Node:\n    def __init__(self, name):\n        self.name, self.parent, self.kids = name, None, []\n\n"
        "    def add(self, kid):\n        kid.parent = self\n        self.kids.append(kid)\n        return self\n\n\n"
        "def depth(node):\n    return 1 if node.parent else 0\n",
        ("1 if node.parent", "1 + depth(node.parent) if node.parent"),
        "from odd.core import Node, depth\n\ndef test_it():\n    top, low = Node('a'), Node('c')\n"
        "    top.add(Node('b').add(low))\n    assert depth(low) > 0\n",
        DifferenceKind.OTHER_ANSWER,
    ),
    "subclasses of plain types": (
        "class Rows(list):\n    def __init__(self, rows, title):\n        super().__init__(rows)\n"
        "        self.title = title\n"
        "    def __iter__(self):\n        raise TypeError\n\n"
        "class Cents(int):\n    def __new__(cls, value, unit):\n        made = super().__new__(cls, value)\n"
        "        made.unit = unit\n        return made\n\n"
        "def label(rows, cents):\n    return rows.title + str(len(rows)) + cents.unit\n",
        ("cents.unit", "cents.unit * 2"),
        "from odd.core import Cents, Rows, label\n\ndef test_it():\n"
        "    assert label(Rows([1, 2], 't'), Cents(3, 'c')).startswith('t2c')\n",
        DifferenceKind.OTHER_ANSWER,
    ),
    "attributes of a container": (
        "class Row(list):\n    def __init__(self, cells):\n        super().__init__(cells)\n        self.title = ''\n\n"
        "def row(cells, title):\n    made = Row(cells)\n    return made\n",
        ("    return made", "    made.title = title\n    return made"),
        "from odd.core import row\n\ndef test_it():\n    assert row([1], 'x') == [1]\n",
        DifferenceKind.OTHER_ANSWER,
    ),
    "a compiled pattern": (
        "def words(pattern, text):\n    return pattern.findall(text)\n",
        ("findall(text)", "findall(text)[:1]"),
        "import re\nfrom odd.core import words\n\ndef test_it():\n"
        "    assert words(re.compile('[a-z]+'), 'a bc')[0] == 'a'\n",
        DifferenceKind.OTHER_ANSWER,
    ),
    "the text of an object": (
        "class Tag:\n    def __init__(self, name):\n        self._name = name\n\n    def rename(self, name):\n"
        "        pass\n\n    def __str__(self):\n        return f'<{self._name}>'\n",
        ("        pass", "        self._name = name"),
        "from odd.core import Tag\n\ndef test_it():\n    tag = Tag('a')\n    tag.rename('b')\n    assert str(tag)\n",
        DifferenceKind.OTHER_ANSWER,
    ),
    "an object of a class that the tests define": (
        "def read(clock):\n    return clock.now()\n",
        ("clock.now()", "clock.now() + 1"),
        "from odd.core import read\n\nclass Clock:\n    def __init__(self, at):\n        self.at = at\n"
        "    def now(self):\n        return self.at\n\ndef test_it():\n    assert read(Clock(4)) > 3\n",
        DifferenceKind.OTHER_ANSWER,
    ),
}


ENDS_NOT_WELL: dict[str, Case] = {
    "never ends": (
        "def count(n):\n    return n\n",
        ("    return n", "    while n > 8:\n        pass\n    return n"),
        "from odd.core import count\n\ndef test_it():\n    assert count(8) == 8\n",
        DifferenceKind.NOW_ERROR,
    ),
    "never ends and can't be interrupted": (
        "def count(n):\n    return n\n",
        (
            "    return n",
            "    while n > 8:\n        try:\n            while True:\n                pass\n"
            "        except BaseException:\n            continue\n    return n",
        ),
        "from odd.core import count\n\ndef test_it():\n    assert count(8) == 8\n",
        DifferenceKind.NOW_ERROR,
    ),
    "ends the process": (
        "import os\n\ndef count(n):\n    return n\n",
        ("    return n", "    if n > 8:\n        os._exit(0)\n    return n"),
        "from odd.core import count\n\ndef test_it():\n    assert count(8) == 8\n",
        DifferenceKind.NOW_ERROR,
    ),
    "takes all memory": (
        "def count(n):\n    return n\n",
        ("    return n", "    if n > 8:\n        bytearray(1 << 40)\n    return n"),
        "from odd.core import count\n\ndef test_it():\n    assert count(8) == 8\n",
        DifferenceKind.NOW_ERROR,
    ),
}


@pytest.mark.parametrize(
    ("cases", "apart"),
    [(DIFFERENT, False), (OBJECTS, False), (ENDS_NOT_WELL, True)],
    ids=["answers", "objects", "endings"],
)
def test_differences_are_found(compare: Compare, cases: Mapping[str, Case], apart: bool) -> None:
    """All in one product; where a call ends the process or takes its time, one product for each."""
    base = _joined({name: (before, tests) for name, (before, _, tests, _) in cases.items()})
    changed: dict[str, dict[str, str]] = {}
    for number, (name, (before, (old, new), _, _)) in enumerate(cases.items()):
        assert old in before
        changed.setdefault(name if apart else "all", {})[f"odd/core_{number}.py"] = before.replace(old, new)
    found = compare(base, **changed)
    for number, (name, (*_, kind)) in enumerate(cases.items()):
        differences = found[name if apart else "all"].differences
        kinds = {each.kind for each in differences if each.function.startswith(f"odd/core_{number}.py:")}
        assert kind in kinds, (name, differences)
    assert from_json(BehaviourReport, to_json(found.report)) == found.report


@pytest.mark.parametrize("is_inner", [True, False])
def test_calls_of_fixed_tests_that_the_project_itself_makes_are_counted(compare: Compare, is_inner: bool) -> None:
    core = "class Line:\n    def __init__(self, name):\n        self._name = name\n\n\n"
    core += "def rename(line, name):\n    pass\n"
    shop = "from odd.core import Line, rename\n\n\ndef label(name):\n    line = Line('')\n    rename(line, name)\n"
    shop += "    return f'<{line._name}>'\n"
    tests = "from odd.core import Line, rename\nfrom odd.shop import label\n\n"
    if is_inner:
        tests += "def test_it():\n    assert label('a') == '<a>'\n"
    else:
        tests += "def test_it():\n    line = Line('')\n    rename(line, 'a')\n    assert line._name == 'a'\n"
    base = {**_files(core, tests), "odd/shop.py": shop}
    right = {"odd/core.py": core.replace("    pass\n", "    line._name = name\n")}
    report = compare(base, right=right).report
    assert (report.fixed_calls, report.inner_fixed_calls) == (1, int(is_inner))


def test_calls_are_recorded_where_the_command_sets_an_import_path(
    git: GitBuilder, make_bench: Callable[..., TestBed]
) -> None:
    tests = "from odd.core import double\n\ndef test_it():\n    assert double(4) == 8\n"
    files = _files("def double(n):\n    return n + 4\n", tests)
    testbed = make_bench({path.replace("odd/", "src/odd/"): text for path, text in files.items()})
    command = testbed.tests.command
    judge = measured(git, replace(testbed, tests=replace(testbed.tests, command=f"PYTHONPATH=src {command}")))
    tree = testbed.repository.tree_of(judge.tree({"src/odd/core.py": "def double(n):\n    return n * 2\n"}))
    assert compare_behaviour(judge.testbed, judge.baseline, (tree,)).calls == 1


def test_products_that_nothing_calls_are_grouped_by_their_code(compare: Compare) -> None:
    code = "def double(n):\n    return n + 4\n"
    base = _files(code, "def test_it():\n    assert True\n")
    right = code.replace("n + 4", "n * 2")
    told = right.replace("    return", '    """Twice."""\n    # two times\n    return')
    found = compare(
        base, one={"odd/core.py": right}, other={"odd/core.py": told}, third={"odd/core.py": code.replace("4", "n")}
    )
    assert found.report.problem
    assert [len(group) for group in found.report.groups] == [2, 1]


def test_examples_in_documentation_are_recorded(compare: Compare) -> None:
    code = """
        def half(n):
            \"""Half of it.

            >>> half(10)
            5
            \"""
            return n // 2
        """
    base = _files(code, "def test_it():\n    assert True\n")
    found = compare(base, other={"odd/core.py": base["odd/core.py"].replace("n // 2", "n / 2 if n < 5 else 7")})
    assert any(d.call == "half(10)" and not d.is_variant for d in found["other"].differences)


def test_a_replaced_reduce_runs_nowhere(compare: Compare, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    code = f"""
        import pathlib

        class Bad:
            def __init__(self, n):
                self.n = n

            def __reduce__(self):
                pathlib.Path({str(mark)!r}).write_text("reduced")
                return exec, ("import pathlib; pathlib.Path({str(mark)!r}).write_text('built')",)

        def made(n):
            return Bad(n)

        def read(bad):
            return bad.n
        """
    tests = "from odd.core import Bad, made, read\n\ndef test_it():\n    assert read(Bad(2)) == made(2).n\n"
    base = _files(code, tests)
    found = compare(base, other={"odd/core.py": base["odd/core.py"].replace("return bad.n", "return bad.n + 1")})
    assert found["other"].changed
    assert not mark.exists()


def test_a_new_function_is_compared_among_products(compare: Compare) -> None:
    base = _files("X = 1\n", "from odd import core\n\ndef test_it():\n    assert core.triple(2) == 6\n")
    found = compare(
        base,
        times={"odd/core.py": "def triple(n):\n    return n * 3\n"},
        plus={"odd/core.py": "def triple(n):\n    return n + n + n\n"},
        plain={"odd/core.py": "def triple(n):\n    return 6\n"},
    )
    assert found.report.groups[0] == (found.trees["times"], found.trees["plus"])
    assert found.report.splits[0].before == "(does not exist)"


def test_forged_results_are_read_as_data(compare: Compare) -> None:
    code = """
        import json, os

        def count(n):
            if n == 9:
                for fd in range(3, 20):
                    try:
                        os.write(fd, b'{"steps": [{"value": {"$": "dict", "items": 3}}]}\\n[[[\\n')
                    except OSError:
                        pass
            return n
        """
    tests = "from odd.core import count\n\ndef test_it():\n    assert count(8) == 8\n"
    base = _files("def count(n):\n    return n\n", tests)
    found = compare(base, other={"odd/core.py": textwrap.dedent(code)})
    assert found.report.schema.startswith("git-mimo/behaviour/")
