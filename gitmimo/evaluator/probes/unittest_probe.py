"""Runs `python -m unittest` with the same arguments, writes every result as one JSON line, plants two tests.

Started as a script from a directory outside the tree, so nothing in the tree can stand in for unittest.
"""

import contextlib
import importlib
import json
import os
import sys
import unittest
import unittest.mock
from collections.abc import Callable
from pathlib import Path
from typing import Any

_SETTINGS = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
_guard = importlib.import_module(_SETTINGS["guard"]).HangGuard(float(os.environ.get("HANG_AFTER_S", "10")))
_watch = importlib.import_module(_SETTINGS["watch"]).Watch(_SETTINGS, "__main__")
_write = _watch.write
_PASS, _FAIL = _SETTINGS["must_pass"], _SETTINGS["must_fail"]
_FAILED_IMPORT = "unittest.loader._FailedTest."


def _phase(test: unittest.TestCase, outcome: str) -> None:
    name = test.id()
    if name.startswith(_FAILED_IMPORT):
        lines = [line for line in str(getattr(test, "_exception", "")).splitlines() if line.strip()]
        error = lines[-1].strip()[:300] if lines else ""
        _write({"kind": "collect", "id": name.removeprefix(_FAILED_IMPORT), "error": error})
        return
    if name.rpartition(".")[2] in (_PASS, _FAIL):
        name = name.rpartition(".")[2]
    _write({"kind": "phase", "id": name, "when": "call", "outcome": outcome, "xfail": False})


class _Result(unittest.TextTestResult):
    """Writes each result to the report, and ends tests that hang."""

    _watched: contextlib.AbstractContextManager[None] = contextlib.nullcontext()

    def startTest(self, test: unittest.TestCase) -> None:  # noqa: N802
        super().startTest(test)
        _watch.look()
        self._watched = _guard.watch()
        self._watched.__enter__()

    def stopTest(self, test: unittest.TestCase) -> None:  # noqa: N802
        self._watched.__exit__(None, None, None)
        _watch.look()
        super().stopTest(test)

    def addSubTest(self, test: unittest.TestCase, subtest: unittest.TestCase, err: Any) -> None:  # noqa: N802
        super().addSubTest(test, subtest, err)
        if err is not None:
            _phase(test, "failed")


def _reporting(method: str, outcome: str) -> Callable[..., None]:
    """The method of the result that unittest calls for such tests, with the result written to the report as well."""
    plain = getattr(unittest.TextTestResult, method)

    def add(self: _Result, test: unittest.TestCase, *details: Any) -> None:
        plain(self, test, *details)
        _phase(test, outcome)

    return add


_OUTCOMES = {
    "addSuccess": "passed",
    "addFailure": "failed",
    "addError": "failed",
    "addSkip": "skipped",
    "addExpectedFailure": "skipped",
    "addUnexpectedSuccess": "failed",
}
for _method, _outcome in _OUTCOMES.items():
    setattr(_Result, _method, _reporting(_method, _outcome))


class _Quiet(_Result):
    """For the planted tests: their result goes to the report only."""

    def printErrors(self) -> None:  # noqa: N802
        """Say nothing."""


class _Runner(unittest.TextTestRunner):
    resultclass: Any = _Result

    def run(self, test: Any) -> Any:
        _write({"kind": "start"})
        chosen = _chosen(test)
        for case in _cases(chosen):
            method = getattr(case, getattr(case, "_testMethodName", ""), None)
            _watch.note_test(case.id(), getattr(method, "__func__", method))
        result = super().run(chosen)
        with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
            quiet: Any = _Quiet
            unittest.TextTestRunner(stream=nowhere, resultclass=quiet).run(_planted())
        _watch.write_findings()
        _write({"kind": "end", "status": 0 if result.wasSuccessful() else 1})
        return result


def _chosen(test: Any) -> Any:
    if not _SETTINGS["only"]:
        return test
    return unittest.TestSuite(case for case in _cases(test) if case.id() in _SETTINGS["only"])


def _cases(test: Any) -> list[Any]:
    cases, left = [], [test]
    while left:
        part = left.pop()
        if isinstance(part, unittest.TestSuite):
            left.extend(part)
        else:
            cases.append(part)
    return cases


def _planted() -> unittest.TestSuite:
    def passes(self: unittest.TestCase) -> None:
        self.assertEqual(1 + 1, 2)  # noqa: PT009

    def fails(self: unittest.TestCase) -> None:
        self.assertEqual(1 + 1, 3)  # noqa: PT009

    case = type("Planted", (unittest.TestCase,), {_PASS: passes, _FAIL: fails})
    return unittest.TestSuite([case(_PASS), case(_FAIL)])


if __name__ == "__main__":
    _watch.free_environment()
    _watch.start()
    sys.path[:1] = _SETTINGS["roots"]  # in the place of this script's own directory
    unittest.main(module=None, argv=["python -m unittest", *sys.argv[1:]], testRunner=_Runner)
