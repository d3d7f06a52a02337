"""The benchmark of choice: pools are read, compared and counted as they should be."""

import gzip
import json
from pathlib import Path

from benchmarks.selection.__main__ import table
from benchmarks.selection.compared import ComparedPool, compare_pool
from benchmarks.selection.pools import model_answers
from benchmarks.selection.rows import first, majority, ours, shortest
from gitmimo.codec import to_json

TASK = {
    "id": "T/1",
    "prompt": "Join a list to a tuple.",
    "entry_point": "join",
    "reference": "def join(items, pair):\n    return pair + tuple(items)\n",
    "visible": [[[5, 6], [9, 10]], [[7], [1]]],
    "hidden": [],
    "atol": 0,
    "candidates": [
        {"code": "def join(items, pair):\n    return (*pair, *sorted(items))\n", "visible": True, "hidden": False},
        {"code": "def join(items, pair):\n    return pair + tuple(items)\n", "visible": True, "hidden": True},
        {"code": "def join(a, b):\n    return tuple(list(b) + list(a))\n", "visible": True, "hidden": True},
        {"code": "def join(items, pair):\n    return 0\n", "visible": False, "hidden": False},
    ],
}


def test_a_pool_is_compared_and_chosen_from(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "answers.jsonl.gz", "wt") as file:
        file.write(json.dumps(TASK) + "\n")
    (pool,) = model_answers(tmp_path / "answers.jsonl.gz")
    assert pool.is_mixed
    assert len(pool.failed) == 1
    assert "join([5, 6], (9, 10))" in pool.base["tests/test_answer.py"]  # JSON's lists are tuples again
    compared = compare_pool(pool, tmp_path / "scratch", sandbox="auto")
    assert ComparedPool.from_json(json.loads(json.dumps(compared.to_json()))) == compared
    assert type(pool).from_json(json.loads(json.dumps(to_json(pool)))) == pool
    assert compared.report.groups[0] == compared.trees[1:3]
    choice = ours(pool, compared)
    assert pool.answers[choice.number].is_right
    assert not choice.settled  # two against one
    assert [rule(pool, compared).number for rule in (first, shortest, majority)] == [0, 2, 0]
    told = table([(pool, compared)])
    assert "| git-mimo | 1 of 1 (100 %) | 0 (0 %) | 1 of 1 (100 %) | 3 |" in told
    assert "| first | 0 of 1 (0 %) | 1 (100 %) | 0 of 0 (-) | 0 |" in told
