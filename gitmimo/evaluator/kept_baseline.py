"""The last measurement of a base, kept by what it depends on: it counts as one of the runs of the next session."""

import contextlib
import hashlib
import json
import os
import tempfile
from dataclasses import replace
from pathlib import Path

from gitmimo.codec import dump_json, from_json
from gitmimo.evaluator.baseline import Baseline, Earlier, conditions
from gitmimo.evaluator.bench import Bench
from gitmimo.evidence import TestReport

_SCHEMA = "git-mimo/base/1"
_MOST_BYTES = 20_000_000


class KeptBaseline:
    """One file that may vanish at any time; one that can't be read counts as absent."""

    def __init__(self, directory: Path, bench: Bench) -> None:
        tree = bench.repository.tree_of(bench.base)
        parts = (_SCHEMA, tree, *bench.commands, *conditions(bench, bench.tests))
        key = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:40]
        self._path = directory / f"base-{key}.json"

    def find(self) -> Earlier | None:
        """What the same tests said of the same tree under the same conditions, if that is known."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            if self._path.stat().st_size > _MOST_BYTES:
                return None
            stored = json.loads(self._path.read_text(encoding="utf-8"))
            if stored["schema"] == _SCHEMA:
                report = from_json(TestReport, stored["report"])
                return Earlier(report=report, flaky_ids=tuple(str(name) for name in stored["flaky_ids"]))
        return None

    def keep(self, baseline: Baseline) -> None:
        """Write a measurement, whole or not at all; a full disk costs the next session one run more."""
        report = json.loads(dump_json(replace(baseline.report, output="")))
        stored = {"schema": _SCHEMA, "report": report, "flaky_ids": list(baseline.flaky_ids)}
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            fd, name = tempfile.mkstemp(dir=self._path.parent, prefix=".base-")
            with os.fdopen(fd, "w", encoding="utf-8") as file:
                json.dump(stored, file)
            Path(name).replace(self._path)
