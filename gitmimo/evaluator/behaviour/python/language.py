"""Python's side of a comparison: the scripts of this directory put beside a fresh tree and run there."""

import json
import re
import secrets
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from gitmimo.errors import CheckError
from gitmimo.evaluator.behaviour.calls import Call
from gitmimo.evaluator.behaviour.language import Changed, Observation, Recording, Replay
from gitmimo.evaluator.behaviour.python.changed import changed_functions
from gitmimo.evaluator.behaviour.values import is_value
from gitmimo.evaluator.probe import make_probe
from gitmimo.evaluator.protected import is_test_file
from gitmimo.evaluator.python_env import Layout
from gitmimo.evaluator.testbed import FreshTree

_SCRIPTS = Path(__file__).parent
_CODEC = "git_mimo_codec.py"  # not a name that a project's module may have
_SPARE_S = 15.0  # for the project's imports
_MOST_BYTES = 20_000_000
_MOST_CONSTANTS = 24


class PythonLanguage:
    """Functions and methods of modules that tests can import."""

    suffixes: tuple[str, ...] = (".py",)

    def changed(self, files: Mapping[str, tuple[bytes | None, bytes | None]]) -> Changed:
        """See `Language`. Test files don't count; a function that moved to another file counts as added there."""
        functions: set[str] = set()
        added: set[str] = set()
        constants: dict[int | float | str, None] = {}
        for path, (old, new) in files.items():
            if is_test_file(path) or new is None:
                continue
            found = changed_functions(old or b"", new)
            functions |= {f"{path}::{name}" for name in found.direct | found.callers}
            added |= {f"{path}::{name}" for name in found.added}
            constants.update(dict.fromkeys(found.constants))
        return Changed(
            functions=frozenset(functions), added=frozenset(added), constants=tuple(constants)[:_MOST_CONSTANTS]
        )

    def record(
        self, fresh: FreshTree, layout: Layout, functions: frozenset[str], cancelled: Callable[[], bool] | None
    ) -> Recording:
        """See `Language`. The tests run once, with one statement more in each of the functions."""
        home, out = _prepare(fresh, "sitecustomize.py", "examples.py")
        by_path: dict[str, list[str]] = {}
        for function in sorted(functions):
            path, _, name = function.partition("::")
            by_path.setdefault(path, []).append(name)
        files = {str(fresh.path / path): names for path, names in by_path.items()}
        settings = {"files": files, "out": str(out / "calls")}
        (home / "recorder.json").write_text(json.dumps(settings), encoding="utf-8")
        probe = make_probe(
            fresh.testbed.tests, tree=fresh.path, directory=fresh.probes, roots=layout.roots, packages=layout.packages
        )
        before = f"{home}:{probe.env['PYTHONPATH']}" if "PYTHONPATH" in probe.env else str(home)
        result = fresh.run(
            probe.command,
            env={**probe.env, "PYTHONPATH": before},
            readable=(*probe.readable, home),
            writable=(*probe.writable, out),
            cancelled=cancelled,
        )
        failed = self._record_examples(fresh, layout, tuple(by_path), home, out)
        calls = tuple(_read_calls(out / "calls", {str(fresh.path / path): path for path in by_path}))
        return Recording(calls=_longest(calls), failed=failed, seconds=result.seconds)

    def _record_examples(
        self, fresh: FreshTree, layout: Layout, paths: Sequence[str], home: Path, out: Path
    ) -> frozenset[str]:
        modules = [
            (path, module_name(path, layout))
            for path in paths
            if ">>>" in (fresh.path / path).read_text(encoding="utf-8", errors="replace")
        ]
        if not modules:
            return frozenset()
        settings = {"modules": modules, "roots": _roots(fresh, layout), "out": str(out / "examples.json")}
        (home / "examples.json").write_text(json.dumps(settings), encoding="utf-8")
        command = (_python(fresh), str(home / "examples.py"), str(home / "examples.json"))
        fresh.run(command, env={"PYTHONPATH": str(home)}, readable=(home,), writable=(out,))
        told = _read_json(out / "examples.json")
        return frozenset(name for name, passed in (told if isinstance(told, dict) else {}).items() if not passed)

    def invent(self, fresh: FreshTree, layout: Layout, functions: frozenset[str]) -> tuple[Call, ...]:
        """See `Language`. For module-level functions whose parameters are annotated with plain types."""
        draw = import_module("gitmimo.evaluator.behaviour.annotations").calls_from_annotations  # loads Hypothesis
        found: list[Call] = []
        for path in sorted({function.partition("::")[0] for function in functions}):
            names = frozenset(name for at, _, name in (each.partition("::") for each in functions) if at == path)
            found += draw(path, module_name(path, layout), (fresh.path / path).read_bytes(), names)
        return tuple(found)

    def replay(
        self,
        fresh: FreshTree,
        layout: Layout,
        calls: Sequence[Call],
        how: Replay,
        cancelled: Callable[[], bool] | None,
    ) -> tuple[Observation, ...]:
        """See `Language`. The seed becomes that of `hash` for texts, and moves the clock."""
        home, out = _prepare(fresh, "replay.py")
        settings = {
            "calls": [{"function": call.function, "steps": call.steps} for call in calls],
            "roots": _roots(fresh, layout),
            "seconds": how.seconds,
            "call_s": how.call_s,
            "shift_s": how.seed * 86_000,
            "attributes": how.attributes,
            "out": str(out / "results.json"),
        }
        (home / "replay.json").write_text(json.dumps(settings), encoding="utf-8")
        limits = replace(fresh.testbed.limits, timeout_s=how.seconds + _SPARE_S)
        fresh = replace(fresh, testbed=replace(fresh.testbed, limits=limits))
        result = fresh.run(
            (_python(fresh), str(home / "replay.py"), str(home / "replay.json")),
            env={"PYTHONHASHSEED": str(how.seed + 1)},
            readable=(home,),
            writable=(out,),
            cancelled=cancelled,
        )
        told = _read_json(out / "results.json")
        if not isinstance(told, list) or len(told) != len(calls):
            raise CheckError(f"the calls could not be run: {result.output.strip()[-200:]}")
        return tuple(one if _is_observation(one) else None for one in told)


def module_name(path: str, layout: Layout) -> str:
    """What a file is imported as."""
    roots = sorted((root for root in layout.roots if root != "."), key=len, reverse=True)
    root = next((root for root in roots if path.startswith(f"{root}/")), "")
    inner = path.removeprefix(f"{root}/" if root else "").removesuffix(".py").removesuffix("/__init__")
    return inner.replace("/", ".")


def attributes_read(sources: Sequence[bytes]) -> tuple[str, ...]:
    """Names of attributes that test files mention."""
    found = {name.decode() for source in sources for name in re.findall(rb"\.([A-Za-z]\w*)\b", source)}
    return tuple(sorted(found))


def _prepare(fresh: FreshTree, *scripts: str) -> tuple[Path, Path]:
    """A directory with the scripts, and one that the run may write to."""
    token = secrets.token_hex(5)
    home, out = fresh.probes / f"behaviour-{token}", fresh.probes / f"behaviour-out-{token}"
    home.mkdir(parents=True)
    out.mkdir()
    (home / _CODEC).write_bytes((_SCRIPTS / "codec.py").read_bytes())
    for script in scripts:
        (home / script).write_bytes((_SCRIPTS / script).read_bytes())
    return home, out


def _roots(fresh: FreshTree, layout: Layout) -> list[str]:
    return [str((fresh.path / root).resolve()) for root in layout.roots]


def _python(fresh: FreshTree) -> str:
    """The interpreter of the tests: as it was found, as the command names it, or else this one."""
    tests = fresh.testbed.tests
    if tests.interpreter is not None:
        return str(tests.interpreter)
    named = re.search(r"(?<!\S)(?:(\S*?python[\d.]*)(?=\s)|(\S+/)pytest\b)", tests.shown)
    if named is None:
        return sys.executable
    return named[1] or f"{named[2]}python"


def _read_calls(path: Path, known: Mapping[str, str]) -> Iterator[tuple[str, Call]]:
    """Calls with the name of the object they were made on, if any. What is no call is left out."""
    if not path.is_file() or path.stat().st_size > _MOST_BYTES:
        return
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            told = json.loads(line)
            at, _, name = str(told["function"]).partition("::")
            steps = tuple(told["steps"])
            owner = name.rpartition(".")[0] if told["object"] else ""
            call = Call(
                function=f"{known[at]}::{owner or name}",
                steps=steps,
                test=str(told["test"]),
                is_direct=bool(told["direct"]),
            )
            if steps and all(_is_step(step, first=not index) for index, step in enumerate(steps)):
                yield str(told["object"]), call
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


def _is_observation(told: Any) -> bool:
    if not isinstance(told, dict):
        return False
    steps, state = told.get("steps", []), told.get("state", {})
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


def _longest(calls: Sequence[tuple[str, Call]]) -> tuple[Call, ...]:
    """Of the calls of one object the last, which holds the others; all other calls."""
    last = {owner: call for owner, call in calls if owner}
    return (*(call for owner, call in calls if not owner), *last.values())


def _read_json(path: Path) -> Any:
    try:
        if path.stat().st_size > _MOST_BYTES:
            return None
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
