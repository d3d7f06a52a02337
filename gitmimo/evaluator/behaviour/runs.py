"""Recording the calls that tests make of functions, and running calls again. Python only."""

import contextlib
import json
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from gitmimo.errors import CheckError
from gitmimo.evaluator.baseline import Baseline
from gitmimo.evaluator.behaviour.answers import Observation
from gitmimo.evaluator.behaviour.calls import Call
from gitmimo.evaluator.behaviour.values import is_value
from gitmimo.evaluator.doc_examples import example_texts, run_examples
from gitmimo.evaluator.recorder import MOST_BYTES, Recording, prepare_probe, prepare_recorder
from gitmimo.evaluator.testbed import FreshTree, TestBed, beside, fresh_tree, run_suite

_QUICK_S = 10.0
_MOST_FAILED = 40
_SPARE_S = 15.0  # for the project's imports


def record_calls(fresh: FreshTree, functions: frozenset[str], *, only: Collection[str] | None = None) -> Recording:
    """Run the tests, or with pytest `only` these, and the examples in the functions' files; note different calls."""
    chosen = {name.partition("[")[0] for name in only or ()}
    run = run_suite(fresh, only=chosen, functions=functions) if only is None or chosen else None
    texts = {}  # by the ids that pytest gives to documentation texts
    for name, text in example_texts(fresh.testbed.repository, fresh.tree, sorted(_files(functions))).items():
        path, _, inner = name.partition("::")
        module = fresh.layout.module_name(path)
        texts[f"{path}::{module}" if inner == "module" else f"{path}::{module}.{inner}"] = text
    recorder = prepare_recorder(fresh.path, fresh.probes, functions)
    outcomes = run_examples(fresh, texts, recorder=recorder) if texts else {}
    return Recording(
        calls=(*(run.calls if run else ()), *recorder.calls()),
        failed_examples=frozenset(name for name, (_, lines) in outcomes.items() if lines),
        passed_tests=run.report.passed_ids if run else frozenset(),
        tests=None if only is None else frozenset(only),
    )


@contextlib.contextmanager
def recording_base(testbed: TestBed, baseline: Baseline, functions: frozenset[str]) -> Iterator[Callable[[], None]]:
    """While a product is judged, record what tests that fail on base call of the functions there.

    Yields a function that waits for it and keeps it for the comparison. Nothing is recorded where two runs could meet,
    or where the tests are slow: a hanging one would be waited for once more.
    """
    failed = baseline.failed_ids
    is_quick = baseline.report.seconds < _QUICK_S and len(failed) <= _MOST_FAILED and not testbed.setup
    if not (functions and failed and is_quick and testbed.may_run_together):
        yield lambda: None
        return

    def record(now: TestBed) -> Recording:
        with fresh_tree(now, baseline.tree) as fresh:
            return record_calls(fresh, functions, only=failed)

    with beside(testbed, record) as begun:

        def keep() -> None:
            with contextlib.suppress(CheckError):
                testbed.recorded_base[functions] = begun.result()

        yield keep


def invent_calls(fresh: FreshTree, functions: frozenset[str]) -> tuple[Call, ...]:
    """Calls of functions that nothing calls: of those whose parameters are annotated with plain types."""
    draw = import_module("gitmimo.evaluator.behaviour.annotations").calls_from_annotations  # loads Hypothesis
    found: list[Call] = []
    for path in sorted(_files(functions)):
        names = frozenset(name for at, _, name in (each.partition("::") for each in functions) if at == path)
        found += draw(path, fresh.layout.module_name(path), (fresh.path / path).read_bytes(), names)
    return tuple(found)


def replay_calls(
    fresh: FreshTree, calls: Sequence[Call], *, seconds: float, seed: int = 0, attributes: Sequence[str] = ()
) -> tuple[Observation, ...]:
    """Run calls in one process, `seconds` for all, and say what came of each: None when there was no time.

    Runs with other seeds differ in everything that is left to chance: the seed becomes that of `hash` for texts, and
    moves the clock. `attributes` of objects are looked at after the last call. See `answers.Observation`.
    """
    home, out = prepare_probe(fresh.probes, replay="call_replay")
    settings = {
        "calls": [{"function": call.function, "steps": call.steps} for call in calls],
        "roots": [str(Path(root).resolve()) for root in [*fresh.import_path, *_roots_of_tests(fresh.path, calls)]],
        "seconds": seconds,
        "shift_s": seed * 86_000,
        "attributes": attributes,
        "out": str(out / "results.json"),
    }
    (home / "replay.json").write_text(json.dumps(settings), encoding="utf-8")
    result = fresh.run(
        (fresh.testbed.tests.python, str(home / "replay.py"), str(home / "replay.json")),
        env={"PYTHONHASHSEED": str(seed + 1)},
        readable=(home,),
        writable=(out,),
        timeout_s=seconds + _SPARE_S,
    )
    try:
        path = out / "results.json"
        results = json.loads(path.read_text(encoding="utf-8")) if path.stat().st_size <= MOST_BYTES else None
    except (OSError, ValueError, RecursionError):
        results = None
    if not isinstance(results, list) or len(results) != len(calls):
        raise CheckError(f"the calls could not be run: {result.output.strip()[-200:]}")
    return tuple(each if _is_observation(each) else None for each in results)


def _roots_of_tests(tree: Path, calls: Sequence[Call]) -> list[str]:
    """Where the modules of the calls' tests are imported from: above their package, as pytest does."""
    roots = {str(tree): None}
    for path in {call.test.partition("::")[0] for call in calls if "::" in call.test}:
        directory = (tree / path).parent
        while (directory / "__init__.py").is_file() and directory != tree:
            directory = directory.parent
        roots[str(directory)] = None
    return list(roots)


def attributes_read(sources: Sequence[bytes]) -> tuple[str, ...]:
    """Names of attributes that test files mention."""
    found = {name.decode() for source in sources for name in re.findall(rb"\.([A-Za-z]\w*)\b", source)}
    return tuple(sorted(found))


def _files(functions: Collection[str]) -> set[str]:
    return {function.partition("::")[0] for function in functions}


def _is_observation(found: Any) -> bool:
    if not isinstance(found, dict):
        return False
    steps, state = found.get("steps", []), found.get("state", {})
    return (
        isinstance(steps, list)
        and isinstance(state, dict)
        and all(map(is_value, state.values()))
        and all(
            isinstance(step, dict)
            and is_value([step.get("value"), step.get("after")])
            and isinstance(step.get("error", ""), str)
            for step in steps
        )
    )
