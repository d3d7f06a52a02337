"""Recording the calls of chosen functions in a run of the tests: what the run needs, and what it noted."""

import json
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitmimo.evaluator.behaviour.calls import Call
from gitmimo.evaluator.behaviour.values import is_value
from gitmimo.evaluator.probe import probe_path

MOST_BYTES = 20_000_000
_CODEC = {"git_mimo_codec": "value_codec", "git_mimo_describe": "value_description"}  # no names a project has


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorder:
    """One recorded run. Python imports what lies in `home` at its start; the run writes to `out`."""

    home: Path
    out: Path
    paths: Mapping[str, str]  # of the functions' files: as written out, and as in the tree

    def environ(self, env: Mapping[str, str]) -> dict[str, str]:
        """The run's environment, with the recorder first on the import path."""
        return {**env, "PYTHONPATH": os.pathsep.join(filter(None, [str(self.home), env.get("PYTHONPATH", "")]))}

    def calls(self) -> tuple[Call, ...]:
        """What was noted; of the calls on one object the last, which holds those before it."""
        noted = list(_read_calls(self.out / "calls", self.paths))
        last = {owner: call for owner, call in noted if owner}
        return (*(call for owner, call in noted if not owner), *last.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """The calls of one run, the documentation examples that failed in it, and the tests that passed, by id.

    `tests` were run; None for all.
    """

    calls: tuple[Call, ...]
    failed_examples: frozenset[str]
    passed_tests: frozenset[str]
    tests: frozenset[str] | None = None


def prepare_recorder(tree: Path, probes: Path, functions: frozenset[str]) -> Recorder:
    """Write what a run below `tree` needs, so that these functions, path::qualified name, note their calls.

    They get one statement more, that does it.
    """
    home, out = prepare_probe(probes, sitecustomize="call_recorder")
    by_path: dict[str, list[str]] = {}
    for function in sorted(functions):
        path, _, name = function.partition("::")
        by_path.setdefault(str(tree / path), []).append(name)
    settings = {"files": by_path, "out": str(out / "calls")}
    (home / "recorder.json").write_text(json.dumps(settings), encoding="utf-8")
    return Recorder(home=home, out=out, paths={path: str(Path(path).relative_to(tree)) for path in by_path})


def prepare_probe(probes: Path, **scripts: str) -> tuple[Path, Path]:
    """A directory with the codec of values and these probes, by the names they get, and one that the run writes to."""
    token = secrets.token_hex(5)
    home, out = probes / f"behaviour-{token}", probes / f"behaviour-out-{token}"
    home.mkdir(parents=True)
    out.mkdir()
    for name, probe in {**_CODEC, **scripts}.items():
        (home / f"{name}.py").write_bytes(probe_path(f"{probe}.py").read_bytes())
    return home, out


def _read_calls(path: Path, known: Mapping[str, str]) -> Iterator[tuple[str, Call]]:
    """Calls with the name of the object they were made on, if any. What is no call is left out."""
    if not path.is_file() or path.stat().st_size > MOST_BYTES:
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
