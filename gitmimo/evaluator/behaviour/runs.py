"""Recording the calls that tests make of functions, and running calls again. Python only."""

import json
import re
import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from gitmimo.errors import CheckError
from gitmimo.evaluator.behaviour.answers import Observation
from gitmimo.evaluator.behaviour.calls import Call
from gitmimo.evaluator.behaviour.values import is_value
from gitmimo.evaluator.doc_examples import example_texts, run_examples
from gitmimo.evaluator.probe import keep_import_path, make_probe, probe_path
from gitmimo.evaluator.reports import read_report
from gitmimo.evaluator.testbed import FreshTree
from gitmimo.evidence import TestOutcome

_SPARE_S = 15.0  # for the project's imports
_MOST_BYTES = 20_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """The calls of one run, the documentation examples that failed in it, and the tests that passed, by id."""

    calls: tuple[Call, ...]
    failed_examples: frozenset[str]
    passed_tests: frozenset[str]


def record_calls(fresh: FreshTree, functions: frozenset[str], *, only: Collection[str] = ()) -> Recording:
    """Run the tests, or with pytest `only` these, and the examples in the functions' files; note each different call.

    The functions get one statement more, that does it.
    """
    home, out = _prepare(fresh, sitecustomize="call_recorder")
    by_path: dict[str, list[str]] = {}
    for function in sorted(functions):
        path, _, name = function.partition("::")
        by_path.setdefault(path, []).append(name)
    files = {str(fresh.path / path): names for path, names in by_path.items()}
    settings = {"files": files, "out": str(out / "calls")}
    (home / "recorder.json").write_text(json.dumps(settings), encoding="utf-8")
    chosen = {name.partition("[")[0] for name in only}
    probe = make_probe(fresh.testbed.tests, tree=fresh.path, directory=fresh.probes, layout=fresh.layout, only=chosen)
    before = f"{home}:{probe.env['PYTHONPATH']}" if "PYTHONPATH" in probe.env else str(home)
    fresh.run(
        keep_import_path(probe.command, home),
        env={**probe.env, "PYTHONPATH": before},
        readable=(*probe.readable, home),
        writable=(*probe.writable, out),
    )
    texts = {}  # by the ids that pytest gives to documentation texts
    for name, text in example_texts(fresh.testbed.repository, fresh.tree, by_path).items():
        path, _, inner = name.partition("::")
        module = fresh.layout.module_name(path)
        texts[f"{path}::{module}" if inner == "module" else f"{path}::{module}.{inner}"] = text
    outcomes = run_examples(fresh, texts, recorder=home, writable=(out,)) if texts else {}
    failed = frozenset(name for name, (_, lines) in outcomes.items() if lines)
    calls = list(_read_calls(out / "calls", {str(fresh.path / path): path for path in by_path}))
    last = {owner: call for owner, call in calls if owner}  # of one object, it holds those before it
    cases = read_report(probe, fresh.testbed.tests.report).cases
    return Recording(
        calls=(*(call for owner, call in calls if not owner), *last.values()),
        failed_examples=failed,
        passed_tests=frozenset(name for name, outcome in cases.items() if outcome is TestOutcome.PASSED),
    )


def invent_calls(fresh: FreshTree, functions: frozenset[str]) -> tuple[Call, ...]:
    """Calls of functions that nothing calls: of those whose parameters are annotated with plain types."""
    draw = import_module("gitmimo.evaluator.behaviour.annotations").calls_from_annotations  # loads Hypothesis
    found: list[Call] = []
    for path in sorted({function.partition("::")[0] for function in functions}):
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
    home, out = _prepare(fresh, replay="call_replay")
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
        results = json.loads(path.read_text(encoding="utf-8")) if path.stat().st_size <= _MOST_BYTES else None
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


def _prepare(fresh: FreshTree, **scripts: str) -> tuple[Path, Path]:
    """A directory with probes under these names, and one that the run may write to."""
    token = secrets.token_hex(5)
    home, out = fresh.probes / f"behaviour-{token}", fresh.probes / f"behaviour-out-{token}"
    home.mkdir(parents=True)
    out.mkdir()
    # not a name that a project's module may have
    ours = {"git_mimo_codec": "value_codec", "git_mimo_describe": "value_description"}
    for name, probe in {**ours, **scripts}.items():
        (home / f"{name}.py").write_bytes(probe_path(f"{probe}.py").read_bytes())
    return home, out


def _read_calls(path: Path, known: Mapping[str, str]) -> Iterator[tuple[str, Call]]:
    """Calls with the name of the object they were made on, if any. What is no call is left out."""
    if not path.is_file() or path.stat().st_size > _MOST_BYTES:
        return
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            noted = json.loads(line)
            at, _, name = str(noted["function"]).partition("::")
            steps = tuple(noted["steps"])
            owner = name.rpartition(".")[0] if noted["object"] else ""
            call = Call(
                function=f"{known[at]}::{owner or name}",
                steps=steps,
                test=str(noted["test"]),
                is_direct=bool(noted["direct"]),
                is_inner=bool(noted["inner"]),
            )
            if steps and all(_is_step(step, first=not index) for index, step in enumerate(steps)):
                yield str(noted["object"]), call
        except (ValueError, KeyError, TypeError):
            continue


def _is_step(step: Any, *, first: bool) -> bool:
    if not isinstance(step, dict):
        return False
    if step.get("do") == "value":
        return first and is_value(step["value"])
    known = ("call", "make") if first else ("method", "get", "set", "delete")
    return (
        step.get("do") in known
        and isinstance(step["of"], str)
        and isinstance(step["args"], list)
        and isinstance(step["named"], dict)
        and is_value([*step["args"], *step["named"].values()])
    )


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
