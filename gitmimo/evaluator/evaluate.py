"""Evidence about one product: made once, stored under a key of its inputs."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace

from gitmimo.evaluator.baseline import Baseline
from gitmimo.evaluator.evidence_store import EvidenceStore, evidence_key
from gitmimo.evaluator.gates import Evaluation
from gitmimo.evaluator.judging_files import find_judging_files
from gitmimo.evaluator.required_fixes import RequiredFixes
from gitmimo.evaluator.testbed import TestBed
from gitmimo.evaluator.tested_tree import build_tested_tree, with_own_tests
from gitmimo.evidence import Evidence, Outcome
from gitmimo.mimo_dir import without_mimo
from gitmimo.records import Oid

_RULES = 4  # evidence kept under older rules is not used again


def evaluate(
    testbed: TestBed,
    baseline: Baseline,
    product: Oid,
    *,
    required: RequiredFixes | None = None,
    store: EvidenceStore | None = None,
    cancelled: Callable[[], bool] | None = None,
    elsewhere: Callable[[], Evidence] | None = None,
) -> Evidence:
    """Judge a product, given as commit or tree; `.mimo/` is left out.

    Equal products are judged once, also when asked for at the same time, if there is a `store`. CheckError when
    nothing could be found out, for example because it was cancelled; a failing product is no error.
    """
    testbed = replace(testbed, tests=baseline.tests, hang_after_s=baseline.hang_after_s(testbed))
    testbed = replace(testbed, judging=find_judging_files(testbed, baseline))
    required = required or RequiredFixes()
    tree = without_mimo(testbed.repository, testbed.repository.tree_of(product))
    work = Evaluation(testbed=testbed, baseline=baseline, tree=tree, required=required, cancelled=cancelled)
    if store is None:
        return work.run()
    wish = json.dumps([_RULES, required.need.value, sorted(required.test_ids)])
    fingerprint = hashlib.sha256(f"{baseline.fingerprint}\0{wish}".encode()).hexdigest()[:20]
    key = evidence_key(tree=tree, base=testbed.base, commands=testbed.commands, fingerprint=fingerprint)
    with store.reserve(key, cancelled=cancelled):
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
    if (tested.tree, result) != (found.tested_tree, found.result_tree or tested.tree):
        return False
    whole = with_own_tests(repository, tested, (*found.landed_tests, *found.changed_tests))
    return not found.changed_tests or whole == found.tests_tree
