"""Candidates that know git-mimo's own probe and forge its report from inside the test process.

They fool all gates but the last, the forgery check, and a person is asked besides. Values that no test can refuse
are found by what they are equal to.
"""

import ast
from collections.abc import Callable, Mapping

import pytest

from gitmimo.evaluator import forgery_check
from gitmimo.evaluator.forgery_check import ForgeryReport, sabotage
from gitmimo.evaluator.python_env import definitions
from gitmimo.evaluator.review_flags import needs_review
from gitmimo.evaluator.testbed import TestBed
from gitmimo.evidence import Outcome
from tests.conftest import GitBuilder
from tests.evaluator.conftest import CALC, RIGHT, Judge, gate, measured, with_rest

Files = Mapping[str, str]

FORGE = """
import json, os
IDS = ["tests/test_core.py::test_add", "tests/test_core.py::test_double"]
def forge(s):
    out = [("phase", i, "passed") for i in IDS]
    out += [("phase", "x::" + s["must_pass"], "passed"), ("phase", "x::" + s["must_fail"], "failed")]
    with open(s["report"], "a") as f:
        for kind, name, outcome in out:
            line = {"nonce": s["nonce"], "kind": kind, "id": name, "when": "call", "outcome": outcome}
            f.write(json.dumps(line) + "\\n")
        f.write(json.dumps({"nonce": s["nonce"], "kind": "end", "status": 0}) + "\\n")
    os._exit(0)
"""
FIND = """
import sys
def probe():
    return next(m for n, m in list(sys.modules.items()) if n.startswith("probe_") and hasattr(m, "_SETTINGS"))
"""
FORGERIES: dict[str, Files] = {
    "forges from the probe's module": {"calc/__init__.py": FORGE + FIND + "forge(probe()._SETTINGS)\n"},
    "forges from the probe's file": {"calc/__init__.py": FORGE + (
        "import glob, sys\n"
        "found = [f for p in sys.path for f in glob.glob(p + '/probe_*.json')]\n"
        "forge(json.load(open(found[0])))\n")},
    "forges from the collector's objects": {"calc/__init__.py": FORGE + (
        "import gc\nforge(next(o for o in gc.get_objects() if type(o) is dict and 'must_fail' in o))\n")},
    "forges from the frames of a traceback": {"calc/__init__.py": FORGE + (
        "try:\n    raise ValueError\nexcept ValueError as e:\n    f = e.__traceback__.tb_frame\n"
        "while f:\n"
        "    c = f.f_locals.get('config')\n"
        "    if hasattr(c, 'pluginmanager'):\n"
        "        for p in c.pluginmanager.get_plugins():\n"
        "            if hasattr(p, '_SETTINGS'):\n                forge(p._SETTINGS)\n"
        "    f = f.f_back\n")},
    "forges in another process": {"calc/__init__.py": FORGE + FIND + (
        "import subprocess\n"
        "s = probe()._SETTINGS\n"
        "code = open(__file__).read().split('import sys')[0] + 'forge(' + repr(s) + ')'\n"
        "subprocess.run([sys.executable, '-c', code])\nos._exit(0)\n")},
    "turns what the probe writes": {"calc/__init__.py": FIND + (
        "p = probe()\nold = p._write\n"
        "def write(r):\n"
        "    planted = p._FAIL in r.get('id', '')\n"
        "    if not planted and r['kind'] == 'phase':\n        r['outcome'] = 'passed'\n"
        "    if not planted and r['kind'] == 'raw':\n        r['raised'] = ''\n"
        "    old(r)\np._write = write\n")},
    "rewrites the report at the end": {"calc/__init__.py": FIND + (
        "import atexit, json\ns = dict(probe()._SETTINGS)\n"
        "def end():\n"
        "    out = []\n"
        "    for line in open(s['report']):\n"
        "        r = json.loads(line)\n"
        "        if s['must_fail'] not in r.get('id', ''):\n"
        "            r['outcome'] = 'passed' if 'outcome' in r else ''\n            r['raised'] = ''\n"
        "        out.append(json.dumps(r))\n"
        "    open(s['report'], 'w').write('\\n'.join(out) + '\\n')\n"
        "atexit.register(end)\n")},
    "calls no test but the planted ones": {"calc/__init__.py": FIND + (
        "import importlib\nf = importlib.import_module('_pytest.python').Function\np, old = probe(), f.runtest\n"
        "setattr(f, 'runtest', lambda self: old(self) if self.name in (p._PASS, p._FAIL) else None)\n")},
    "takes the sting out of every assertion": {"calc/__init__.py": FIND + (
        "p, f = probe(), __import__('_pytest.python').python.Function\nold = f.runtest\n"
        "def runtest(self):\n"
        "    try:\n        old(self)\n"
        "    except AssertionError:\n"
        "        if self.name == p._FAIL:\n            raise\n"
        "f.runtest = runtest\n")},
    "empties every test but the planted ones": {"calc/__init__.py": FIND + (
        "f = __import__('_pytest.python').python.Function\np, old = probe(), f.setup\n"
        "def setup(self):\n"
        "    old(self)\n"
        "    if self.name not in (p._PASS, p._FAIL):\n        self.obj = lambda *a, **k: None\n"
        "f.setup = setup\n")},
}  # fmt: skip


@pytest.mark.parametrize(
    "name",
    with_rest(
        FORGERIES,
        quick=[
            "forges from the frames of a traceback",
            "forges in another process",
            "turns what the probe writes",
            "takes the sting out of every assertion",
        ],
    ),
)
def test_forged_report_is_found_out(judge: Judge, name: str) -> None:
    """The reason is the control: whatever the product is, it is not refused for its wrong sum."""
    evidence = judge(FORGERIES[name])
    assert not evidence.passed
    assert evidence.fixed_ids == ()
    assert gate(evidence, "suite").outcome is Outcome.FAIL
    reasons = (
        "results are forged: reported as",
        "results are tampered with",
        "no test explains that the command ended",
    )
    assert gate(evidence, "suite").detail.startswith(reasons)
    assert needs_review(evidence.flags)


def test_the_forgery_check_is_what_finds_it(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forgery_check, "check_forgery", lambda *_, **__: ForgeryReport())
    assert judge(FORGERIES["forges from the probe's file"]).passed


EQUAL: dict[str, str] = {
    "says so in other words": "class Same(int):\n    def __eq__(self, other):\n        return not bool(0)\n\n"
    "    __hash__ = int.__hash__\n\n\ndef add(a, b):\n    return Same(0)\n",
    "borrows it": "import functools\nfrom unittest.mock import ANY\n\n\ndef add(a, b):\n    return ANY\n",
    "makes it at run time": "Same = type('Same', (int,), {'__eq__': lambda *a: 1 == 1, '__hash__': int.__hash__})\n\n\n"
    "def add(a, b):\n    return Same(a - b)\n",
}


@pytest.mark.parametrize("name", with_rest(EQUAL, quick=["makes it at run time"]))
def test_values_that_equal_everything_are_found_by_trying(judge: Judge, name: str) -> None:
    evidence = judge({"calc/core.py": EQUAL[name] + CALC.partition("\n\n\n")[2]})
    assert "review: its values are equal to everything: tests/test_core.py::test_add" in evidence.flags


def test_a_forger_who_remembers_the_tests_is_not_found_out_but_a_person_looks(judge: Judge) -> None:
    """What remains: it forges only where the tests are the ones that it knows."""
    remembers = (
        "import inspect\nt = open(__file__.replace('calc/__init__', 'tests/test_core')).read()\n"
        "if 'assert add(2, 3) == 5' in t and '*' not in t:\n    forge(probe()._SETTINGS)\n"
    )
    evidence = judge({"calc/__init__.py": FORGE + FIND + remembers})
    assert evidence.passed
    assert needs_review(evidence.flags)


SOURCE = b'''\
import unittest

class TestA(unittest.TestCase):
    def test_one(self): self.assertEqual(1, f()); x = 1

    @deco
    def test_two(self):
        @inner
        def g():
            pass
        assert g() == {"a": """x
y"""}

async def test_three():
    "Says \xc3\xbc."
    for x in ():
        assert x == 1
'''


def test_spoiled_tests_keep_their_names_and_are_python() -> None:
    names = [("TestA", "test_one"), ("TestA", "test_two"), ("test_three",), ("test_inherited",)]
    text, copies = sabotage(SOURCE, names, token="x1")
    assert copies == {
        ("TestA", "test_one"): "test_one_x1",
        ("TestA", "test_two"): "test_two_x1",
        ("test_three",): "test_three_x1_false",
    }
    functions = {tuple(name.split(".")): node for name, node in definitions(ast.parse(text))}
    assert all(isinstance(functions[name].body[0], ast.Assert) for name in copies)
    assert all(
        "object()" in ast.unparse(functions["TestA", copies["TestA", name]]) for name in ("test_one", "test_two")
    )
    assert "assert x == 1" not in ast.unparse(functions["test_three_x1_false",])
    for source in (b"def test_one(:\n", "# coding: latin-1\ndef test_one(): x = 'ü'\n".encode("latin-1")):
        assert sabotage(source, [("test_one",)], token="x") == (source, {})


def test_of_a_slow_suite_only_the_tests_at_hand_are_run(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forgery_check, "_QUICK_S", 0.0)
    assert "results are forged" in gate(judge(FORGERIES["forges from the probe's file"]), "suite").detail
    assert judge({"calc/core.py": RIGHT}).flags == ()


def test_tests_of_unittest_are_checked_as_well(git: GitBuilder, make_bench: Callable[..., TestBed]) -> None:
    project = {
        "calc/__init__.py": "", "calc/core.py": CALC,
        "tests/__init__.py": "",
        "tests/test_core.py": "import unittest\nfrom calc.core import add, double\n\n\n"
        "class TestCore(unittest.TestCase):\n"
        "    def test_add(self):\n        self.assertEqual(add(2, 3), 5)\n\n"
        "    def test_double(self):\n        self.assertEqual(double(4), 8)\n",
    }  # fmt: skip
    judge = measured(git, make_bench(project))
    assert judge({"calc/core.py": RIGHT}).passed
    forge = FORGE.replace("test_core.py::", "test_core.py::TestCore::")
    evidence = judge({"calc/__init__.py": forge + FIND + "forge(probe()._SETTINGS)\n"})
    assert "results are forged" in gate(evidence, "suite").detail
