"""Evidence about one product: made once, stored under a key of its inputs.

Nothing is tested twice, not even by two threads or processes at once.
"""

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from gitmimo.codec import dump_json, from_json
from gitmimo.evaluator.baseline import Baseline
from gitmimo.evaluator.gates import Evaluation
from gitmimo.evaluator.protected import with_judging_files
from gitmimo.evaluator.required_fixes import RequiredFixes
from gitmimo.evaluator.testbed import TestBed
from gitmimo.evaluator.tested_tree import build_tested_tree, with_own_tests
from gitmimo.evidence import Evidence, Outcome
from gitmimo.files import hold_lock, write_file
from gitmimo.git.trees import without_mimo
from gitmimo.ids import Oid

_RULES = 6  # evidence kept under older rules is not used again
_SCHEMA = "git-mimo/evidence/2"
_MOST_BYTES = 20_000_000
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class EvidenceStore:
    """A directory of evidence that may vanish at any time; files that can't be read count as absent."""

    directory: Path

    def find(self, key: str, kind: type[T]) -> T | None:
        """The record under a key (evidence, or a comparison of behaviour) if it is there and whole."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            path = self.directory / f"{key}.json"
            stored = json.loads(path.read_text(encoding="utf-8")) if path.stat().st_size < _MOST_BYTES else {}
            if stored["schema"] == _SCHEMA and stored["key"] == key:
                return from_json(kind, stored["evidence"])
        return None

    def keep(self, key: str, evidence: object) -> None:
        """Write it under the key, whole or not at all: with a full disk it is made again the next time."""
        stored = {"schema": _SCHEMA, "key": key, "evidence": json.loads(dump_json(evidence))}
        with contextlib.suppress(OSError):
            self.directory.mkdir(parents=True, exist_ok=True)
            write_file(self.directory / f"{key}.json", json.dumps(stored))

    @contextlib.contextmanager
    def reserve(self, key: str, *, cancelled: Callable[[], bool]) -> Iterator[None]:
        """Make others who want the same key wait, in this process and in others."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with hold_lock(self.directory / f"{key}.lock", wait_s=24 * 3600, cancelled=cancelled):
            yield


def evidence_key(testbed: TestBed, tree: Oid, fingerprint: str) -> str:
    """The name of evidence: it changes when anything changes that the results depend on."""
    parts = (_SCHEMA, tree, testbed.base, fingerprint, *testbed.commands)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:40]


def evaluate(
    testbed: TestBed,
    baseline: Baseline,
    product: Oid,
    *,
    required: RequiredFixes | None = None,
    store: EvidenceStore | None = None,
    elsewhere: Callable[[], Evidence] | None = None,
) -> Evidence:
    """Judge a product, given as commit or tree; `.mimo/` is left out.

    Equal products are judged once, also when asked for at the same time, if there is a `store`. CheckError when
    nothing could be found out, for example because it was cancelled; a failing product is no error.
    """
    testbed = replace(
        testbed,
        tests=baseline.tests,
        hang_after_s=baseline.hang_after_s(testbed),
        packages=baseline.packages,
    )
    testbed = with_judging_files(testbed, baseline)
    required = required or RequiredFixes()
    tree = without_mimo(testbed.repository, testbed.repository.tree_of(product))
    work = Evaluation(testbed=testbed, baseline=baseline, tree=tree, required=required)
    if store is None:
        return work.run()
    wanted = json.dumps([_RULES, required.needs_all, sorted(required.test_ids), testbed.asked])
    fingerprint = hashlib.sha256(f"{baseline.fingerprint}\0{wanted}".encode()).hexdigest()[:20]
    key = evidence_key(testbed, tree, fingerprint)
    with store.reserve(key, cancelled=testbed.cancelled):
        found = store.find(key, Evidence)
        if found is not None and _write_trees_again(work, found):
            return found
        evidence = elsewhere() if elsewhere is not None else work.run()
        store.keep(key, evidence)
    return evidence


def _write_trees_again(work: Evaluation, found: Evidence) -> bool:
    """Write the trees of stored evidence again, since git may have collected them; False when they differ."""
    if found.gates and found.gates[0].outcome is Outcome.FAIL:
        return True
    repository = work.testbed.repository
    tested = build_tested_tree(work.testbed, work.tree, found.diff)
    result = with_own_tests(repository, tested, found.landed_tests)
    whole = with_own_tests(repository, tested, (*found.landed_tests, *found.changed_tests))
    wanted = (found.tested_tree, found.result_tree or found.tested_tree, found.landed_tree)
    return (tested.tree, result, whole) == wanted
