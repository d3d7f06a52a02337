"""A pytest plugin that writes every result as one JSON line and plants two tests of known outcome.

Copied under a random name into a directory outside the tree; its settings lie beside it. It works however pytest was
started, with several sessions in one command and with pytest-xdist. What it can't do: protect itself from product
code that runs in the same process and knows it; the planted tests show the usual ways of turning failures green.
"""

import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

# The project must not be able to stand in for these: they are loaded before the tree comes on the path.
for _name in ("unittest.mock", "doctest", "re", "traceback", "subprocess", "inspect"):
    importlib.import_module(_name)

_SETTINGS = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
_PASS, _FAIL = _SETTINGS["must_pass"], _SETTINGS["must_fail"]
_planted: dict[str, int] = {}
_watch = importlib.import_module(_SETTINGS["watch"]).Watch(_SETTINGS, __name__)
_write = _watch.write

_changed = importlib.import_module(_SETTINGS["changed"]).ChangedCode(_SETTINGS["points"], _SETTINGS["changed"])


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Put the tree first: entry points of installed plugins are loaded by now, so none in the tree is found."""
    sys.path[:0] = [root for root in _SETTINGS["roots"] if root not in sys.path]
    _changed.watch()
    _watch.start()  # a conftest may import the product


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    if _is_worker(config) or getattr(config.option, "dist", "no") == "no":
        _watch.free_environment()  # the workers of pytest-xdist read it again, and only they run tests
    config.option.maxfail = 0  # a planted failure must not end the session
    config.option.continue_on_collection_errors = True  # one file that cannot be imported must not hide the others
    if not _is_worker(config):
        _write({"kind": "start"})


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add the planted tests after everybody else has chosen and sorted."""
    if config.option.collectonly:
        return
    if _SETTINGS["only"]:
        items[:] = [item for item in items if item.nodeid.partition("[")[0] in _SETTINGS["only"]]
    for item in items:
        _watch.note_test(item.nodeid, getattr(item, "obj", None))
    module = pytest.Module.from_parent(session, path=Path(_SETTINGS["planted"]))
    for planted in module.collect():
        assert isinstance(planted, pytest.Function)
        planted.fixturenames.clear()  # what the project wants of its own tests, these need not have
        items.append(planted)
        _planted[planted.nodeid] = 0


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Any:
    """Note what the test itself did, before anybody can make another result of it."""
    _watch.look()
    outcome = yield
    _watch.look()
    raised = outcome.excinfo
    _write({"kind": "raw", "id": item.nodeid, "raised": raised[0].__name__ if raised else ""})


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if os.environ.get("PYTEST_XDIST_WORKER"):
        return
    record = {"kind": "phase", "id": report.nodeid, "when": report.when, "outcome": report.outcome}
    _write({**record, "xfail": hasattr(report, "wasxfail")})
    name = report.nodeid.rpartition("::")[2]
    if name == _FAIL and report.when == "call" and report.failed:
        _planted["failed"] = 1


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.failed and not os.environ.get("PYTEST_XDIST_WORKER"):
        lines = [line.lstrip("E ") for line in str(report.longrepr).splitlines() if line.startswith("E  ")]
        _write({"kind": "collect", "id": report.nodeid, "error": lines[-1][:300] if lines else ""})


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Say what ran and where packages came from, and give the command the exit code it would have without us."""
    if (noted := _changed.noted()) is not None:
        _write({"kind": "points", "noted": noted})
    _watch.write_findings()
    if _is_worker(session.config):
        return
    if session.testsfailed and session.testsfailed == _planted.get("failed", 0):
        only_planted = session.testscollected <= 2
        session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED if only_planted else pytest.ExitCode.OK
    _write({"kind": "end", "status": int(session.exitstatus)})


@pytest.hookimpl(tryfirst=True)
def pytest_report_teststatus(report: Any) -> tuple[str, str, str] | None:
    """Keep the planted tests out of what people and models read."""
    is_planted = report.nodeid.rpartition("::")[2] in (_PASS, _FAIL)
    return ("", "", "") if is_planted else None
