"""Recall over 10,000 facts and 1,000 sessions as pytest-benchmark figures; not part of the suite.

python -m pytest benchmarks/test_recall.py -o addopts=--import-mode=importlib -p no:xdist
"""

import itertools
import random
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks.recall import build, sentence
from gitmimo.git.repository import Repository
from gitmimo.git.tree import put_files
from gitmimo.memory.facts import FactKind, new_fact, write_fact
from gitmimo.memory.prefix import prefix_text
from gitmimo.memory.recall import INDEX_NAME, drop_index, recall

pytest.importorskip("pytest_benchmark", reason="pip install -e '.[benchmarks]'")
from pytest_benchmark.fixture import BenchmarkFixture  # noqa: E402

FACTS, SESSIONS = 10_000, 1_000
FIRST_S, WARM_S, INCREMENTAL_S = 10.0, 0.050, 0.200


@pytest.fixture(scope="module")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Repository, str]]:
    directory = tmp_path_factory.mktemp("recall")
    repository, tree = build(directory / "repository", FACTS, SESSIONS)
    recall(repository, tree, "schema12")
    yield repository, tree
    shutil.rmtree(directory)


def median(benchmark: BenchmarkFixture) -> float:
    assert benchmark.stats is not None
    return float(benchmark.stats.stats.median)


def test_first_index(benchmark: BenchmarkFixture, memory: tuple[Repository, str]) -> None:
    repository, tree = memory

    def without_index() -> None:
        drop_index(Path(repository.state_dir) / INDEX_NAME)

    found = benchmark.pedantic(
        recall, args=(repository, tree, "schema12 migration3"), setup=without_index, rounds=2, warmup_rounds=0
    )
    assert found
    assert median(benchmark) < FIRST_S


@pytest.mark.parametrize("words", [2, 12])
def test_warm_query(benchmark: BenchmarkFixture, memory: tuple[Repository, str], words: int) -> None:
    repository, tree = memory
    chooser = random.Random(8)
    found = benchmark.pedantic(
        lambda query: recall(repository, tree, query), setup=lambda: ((sentence(chooser, words),), {}), rounds=40
    )
    assert found
    assert median(benchmark) < WARM_S


def test_warm_query_without_a_match(benchmark: BenchmarkFixture, memory: tuple[Repository, str]) -> None:
    repository, tree = memory
    benchmark.pedantic(recall, args=(repository, tree, "zzzzqq"), rounds=20)
    assert median(benchmark) < WARM_S


def test_prompt_prefix(benchmark: BenchmarkFixture, memory: tuple[Repository, str]) -> None:
    repository, tree = memory
    assert benchmark.pedantic(prefix_text, args=(repository, tree), rounds=5)


def test_one_fact_added(benchmark: BenchmarkFixture, memory: tuple[Repository, str]) -> None:
    repository, tree = memory
    number = itertools.count()

    def add() -> tuple[tuple[str], dict[str, str]]:
        text = f"Quokkas number {next(number)}"
        extra = new_fact(kind=FactKind.LESSON, text=text, created=datetime(2026, 2, 1, tzinfo=UTC))
        return (put_files(repository, repository.tree_of(tree), {extra.path: write_fact(extra)}),), {}

    found = benchmark.pedantic(lambda later: recall(repository, later, "quokkas"), setup=add, rounds=10)
    assert found[0].matched
    assert median(benchmark) < INCREMENTAL_S
