"""Comparisons on small real projects, in the real sandbox."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pytest

from gitmimo.behaviour import BehaviourReport, ProductBehaviour
from gitmimo.evaluator.behaviour.compare import compare_behaviour
from gitmimo.evaluator.testbed import TestBed
from gitmimo.ids import Oid
from tests.conftest import GitBuilder
from tests.evaluator.conftest import Judge, measured


@dataclass
class Comparison:
    """A report, and the product trees by the name that the test gave them."""

    report: BehaviourReport
    trees: Mapping[str, Oid] = field(default_factory=dict)

    def __getitem__(self, name: str) -> ProductBehaviour:
        found = self.report.of(self.trees[name])
        assert found is not None, self.report
        return found


Compare = Callable[..., Comparison]


@pytest.fixture
def compare(git: GitBuilder, make_bench: Callable[..., TestBed]) -> Compare:
    """Compares products, given as changed files by name, with a base, given as files."""

    def run(base: Mapping[str, str], **products: Mapping[str, str]) -> Comparison:
        judge: Judge = measured(git, make_bench(base))
        trees = {name: judge.testbed.repository.tree_of(judge.tree(files)) for name, files in products.items()}
        report = compare_behaviour(
            judge.testbed, judge.baseline, tuple(trees.values()), fixed_tests=judge.baseline.failed_ids
        )
        return Comparison(report, trees)

    return run
