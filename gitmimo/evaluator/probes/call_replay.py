"""Runs recorded calls on one tree and writes what came of each, as JSON.

`replay.py SETTINGS`: the parent reads results from a child that runs the calls; a child that hangs, crashes or ends is
replaced and goes on with the next call, so that no call can take the others with it.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import random
import resource
import select
import signal
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
_MEMORY = 2 << 30
_CALL_S = 0.2  # of processor time, for one call
_MOST_RESTARTS = 12
_MOST_ENDLESS = 4  # calls of one function; its others are not run then
_ENDLESS = "(does not end)"


class Late(BaseException):
    """The time of one call is over."""


def main() -> None:
    """Run all calls, or as many as there is time for, and write one list with a result for each."""
    settings = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    calls = settings["calls"]
    results: list[Any] = []
    until = time.monotonic() + settings["seconds"]
    restarts = 0
    while len(results) < len(calls) and time.monotonic() < until and restarts < _MOST_RESTARTS:
        reason = _run_child(settings, results, until)
        if reason and len(results) < len(calls) and time.monotonic() < until:
            results.append({"steps": [{"error": reason}]})
            restarts += 1
    results += [None] * (len(calls) - len(results))
    Path(settings["out"]).write_text(json.dumps(results), encoding="utf-8")


def _run_child(settings: dict[str, Any], results: list[Any], until: float) -> str:
    """Fork, read results until the child is done or must be ended; the reason in the second case."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        try:
            os.setpgid(0, 0)
            _Child(settings, writing).run(len(results))
        finally:
            os._exit(0)
    os.close(writing)
    pending, reason = b"", ""
    grace = _CALL_S * 5 + 1.0  # the child counts its own time, sleep is none
    first = 10.0  # what the project takes to be imported
    while True:
        ready, _, _ = select.select([reading], [], [], max(0.0, min(first or grace, until - time.monotonic())))
        if not ready:
            reason = _ENDLESS if time.monotonic() < until else ""
            break
        data = os.read(reading, 1 << 16)
        if not data:
            reason = "(ends the process)" if len(results) < len(settings["calls"]) else ""
            break
        first = 0.0
        *lines, pending = (pending + data).split(b"\n")
        results += [json.loads(line) for line in lines if line]
    for end in (os.killpg, os.kill):
        with contextlib.suppress(OSError):
            end(pid, signal.SIGKILL)
    os.close(reading)
    os.waitpid(pid, 0)
    return reason


class _Child:
    """Runs calls one after the other in this process."""

    def __init__(self, settings: dict[str, Any], writing: int) -> None:
        self.settings = settings
        self.writing = writing
        self.is_random = False

    def run(self, first: int) -> None:
        """Run the calls from number `first` on, and write each one's result before the next begins."""
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != HERE]
        sys.path[:0] = self.settings["roots"]
        sys.setrecursionlimit(1500)
        signal.signal(signal.SIGPROF, _raise_late)
        self._watch_chance()
        self._load()
        endless: dict[str, int] = {}
        for call in self.settings["calls"][first:]:
            function = str(call["function"])
            observed = self._one(call) if endless.get(function, 0) < _MOST_ENDLESS else None
            if observed and any(step.get("error") == _ENDLESS for step in observed.get("steps", ())):
                endless[function] = endless.get(function, 0) + 1
            line = json.dumps(observed).encode() + b"\n"
            while line:
                line = line[os.write(self.writing, line) :]

    def _load(self) -> None:
        """Import what is called, so that no call's time goes into it; what fails now fails again at its calls."""
        names = {
            step["of"].partition(":")[0] for call in self.settings["calls"] for step in call["steps"] if "of" in step
        }
        for name in sorted(name for name in names if name.replace(".", "").isidentifier()):
            with contextlib.suppress(Exception):
                importlib.import_module(name)
        os.write(self.writing, b"\n")

    def _watch_chance(self) -> None:
        """Know when a call draws random bytes or looks at the clock; `shift_s` moves the clock between two runs."""
        shift, clock = float(self.settings.get("shift_s", 0)), time.time
        plain = os.urandom

        def urandom(size: int) -> bytes:
            self.is_random = True
            return plain(size)

        os.urandom = urandom
        if hasattr(random, "_urandom"):
            random._urandom = urandom
        if shift:
            time.time = lambda: clock() + shift

    def _one(self, call: dict[str, Any]) -> dict[str, Any]:
        self.is_random = False
        state = random.getstate()
        out = io.StringIO()
        observed: dict[str, Any] = {"steps": []}
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            try:
                self._steps(call["steps"], observed)
            except Unbuilt as error:
                observed = {"unbuilt": str(error)[:200]}
            finally:
                signal.setitimer(signal.ITIMER_PROF, 0)
        if printed := out.getvalue():
            observed["output"] = codec.shorten(printed)
        if self.is_random or random.getstate() != state:
            observed["random"] = True
        return observed

    def _steps(self, steps: list[dict[str, Any]], observed: dict[str, Any]) -> None:
        me: Any = None
        for step in steps:
            args, named = self._build(step)
            if step["do"] == "value":
                me = args[0]
                continue
            act = self._action(step, me, args, named)
            before = self._described(args, named)
            outcome, value = self._do(act)
            if step["do"] == "make":
                me = value
                outcome.pop("value", None)
            after = self._described(args, named)
            if before != after:
                outcome["after"] = after
            observed["steps"].append(outcome)
            if step["do"] == "make" and "error" in outcome:
                return
        if me is not None:
            self._observe(me, observed)

    def _build(self, step: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        try:
            if step["do"] == "value":
                return [codec.decode(step["value"])], {}
            return [codec.decode(item) for item in step["args"]], {k: codec.decode(v) for k, v in step["named"].items()}
        except Exception as error:  # noqa: BLE001 - constructors of the project
            raise Unbuilt(f"{type(error).__name__}: {error}") from error

    def _action(self, step: dict[str, Any], me: Any, args: list[Any], named: dict[str, Any]) -> Any:
        name = step["of"]
        if step["do"] in ("call", "make"):
            try:
                function = codec.resolve(name)
            except Exception as error:  # noqa: BLE001 - the module may do anything when it is imported
                raise Unbuilt(f"{name}: {type(error).__name__}: {error}") from error
            return lambda: function(*args, **named)
        return {
            "get": lambda: getattr(me, name),
            "set": lambda: setattr(me, name, args[0]),
            "delete": lambda: delattr(me, name),
            "method": lambda: getattr(me, name)(*args, **named),
        }[step["do"]]

    def _do(self, act: Any) -> tuple[dict[str, Any], Any]:
        signal.setitimer(signal.ITIMER_PROF, _CALL_S)
        try:
            value = act()
            return {"value": describe(value)}, value
        except Late:
            return {"error": _ENDLESS}, None
        except RecursionError:
            return {"error": "RecursionError"}, None
        except BaseException as error:  # noqa: BLE001 - what the project raises is the answer
            return {"error": type(error).__qualname__}, None
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)

    def _described(self, args: list[Any], named: dict[str, Any]) -> Any:
        """The arguments as they are now; iterators are left alone, and what can't be read counts as unchanged."""
        try:
            return [[describe(item, 2) for item in args], [[k, describe(v, 2)] for k, v in sorted(named.items())]]
        except Exception:  # noqa: BLE001 - values of the project
            return None

    def _observe(self, me: Any, observed: dict[str, Any]) -> None:
        """What anybody can see of an object at the end: attributes that tests read, its length, items and text."""
        kind = type(me)
        seen = {name: value for name, value in codec.fields_of(me, kind).items() if name in self.settings["attributes"]}
        state, _ = self._do(lambda: seen)
        for look in (len, iter, str):
            name = f"__{look.__name__}__"
            if getattr(kind, name, object.__str__) is not object.__str__ and not hasattr(kind, "__next__"):
                seen_so, _ = self._do(lambda look=look: look(me))
                state[name] = seen_so.get("value", seen_so.get("error"))
        observed["state"] = state


class Unbuilt(Exception):
    """The arguments of a call, or what is called, don't exist on this tree."""


def _raise_late(*_: object) -> None:
    raise Late


sys.path.insert(0, str(HERE))
codec: Any = importlib.import_module("git_mimo_codec")
describe: Any = importlib.import_module("git_mimo_describe").describe

if __name__ == "__main__":
    main()
