"""A pytest plugin that writes one line a test: its id, a tab, and its outcome."""

import os
from pathlib import Path


def pytest_runtest_logreport(report):
    outcome = report.outcome
    if report.when != "call" and outcome == "passed":
        return
    if report.when != "call" and outcome == "failed":
        outcome = "error"
    with Path(os.environ["OUTCOMES"]).open("a", encoding="utf-8") as log:
        log.write(f"{report.nodeid}\t{outcome}\n")
