"""Pools of answers that pass the same visible tests, each labelled right or wrong by tests that no rule sees."""

import copy
import gzip
import itertools
import json
import pprint
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gitmimo.codec import from_json

_TEST = """\
from answer import {name}


def close(left, right):
    if isinstance(left, float) and isinstance(right, (int, float)):
        return abs(left - right) <= {tolerance!r}
    return left == right


"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer: the files it changes, and whether it is right."""

    files: dict[str, str]
    is_right: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """A task with answers in the order in which they were given; `base` are all files of the repository before."""

    name: str
    task: str
    base: dict[str, str]
    answers: tuple[Answer, ...]
    failed: tuple[dict[str, str], ...] = ()  # files of answers that fail a visible test
    kind: str = "model answers"

    @classmethod
    def from_json(cls, value: object) -> "Pool":
        """From what `to_json` made of it."""
        return from_json(cls, value)

    @property
    def is_mixed(self) -> bool:
        """Whether it holds right and wrong answers, so that a choice matters."""
        return len({answer.is_right for answer in self.answers}) == 2


def model_answers(path: Path) -> Iterator[Pool]:
    """Pools from a file of model answers: one JSON object a line, gzipped, with `id`, `prompt`, `entry_point`,
    `reference`, `visible` (lists of arguments), `atol`, and `candidates` with `code`, `visible` and `hidden`."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            task = json.loads(line)
            passing = [each for each in task["candidates"] if each["visible"]]
            if not passing:
                continue
            name = task["entry_point"]
            stub = f"def {name}(*args):\n    raise NotImplementedError\n"
            answers = [Answer(files={"answer.py": c["code"]}, is_right=bool(c["hidden"])) for c in passing]
            yield Pool(
                name=task["id"],
                task=task["prompt"].strip("'\n "),
                base={"answer.py": stub, "tests/test_answer.py": _visible_tests(task)},
                answers=tuple(answers),
                failed=tuple({"answer.py": each["code"]} for each in task["candidates"] if not each["visible"]),
            )


def _visible_tests(task: dict) -> str:  # type: ignore[type-arg]
    """The visible inputs as tests, with what the reference answers: all that a model and a rule may know of it."""
    name = task["entry_point"]
    text = _TEST.format(name=name, tolerance=task["atol"] or 0)
    for number, (arguments, expected) in enumerate(_with_answers(task)):
        shown = ", ".join(map(repr, arguments))
        call = f"{name}({shown})"
        expects = f"close({call}, {expected!r})" if pprint.isreadable(expected) else f"bool({call}) is {bool(expected)}"
        text += f"def test_{number}():\n    assert {expects}\n\n\n"
    return text


def _with_answers(task: dict) -> list[tuple[list[object], object]]:  # type: ignore[type-arg]
    """The visible inputs and what the reference answers. JSON knows no tuples: lists are made tuples again, in as few
    arguments as possible, where the reference can't work with lists."""
    scope: dict[str, object] = {}
    exec(task["reference"], scope)  # the data set's own solution
    function = scope[task["entry_point"]]
    count = len(task["visible"][0])
    choices = sorted(itertools.product((_as_it_is, _tuple, _tuples, _list_of_tuples), repeat=count), key=_changes)
    for choice in choices:
        made = [[turn(item) for turn, item in zip(choice, given, strict=True)] for given in task["visible"]]
        try:
            return [(given, function(*copy.deepcopy(given))) for given in made]  # type: ignore[operator]
        except Exception:  # noqa: BLE001, S112 - a solution that expects other types
            continue
    raise ValueError(f"{task['id']}: the reference answers none of the visible inputs")


def _as_it_is(value: object) -> object:
    return value


def _tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _tuples(value: object) -> object:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _list_of_tuples(value: object) -> object:
    return [_tuples(item) for item in value] if isinstance(value, list) else value


def _changes(choice: tuple[object, ...]) -> int:
    return sum(turn is not _as_it_is for turn in choice)
