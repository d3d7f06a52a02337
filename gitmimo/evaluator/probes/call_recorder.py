"""Records the calls of chosen functions while the tests run: Python imports this module at its start.

Chosen functions get a first statement that notes their arguments; nothing else of the run changes. Each call becomes
one line of JSON with the test that made it. Objects are recorded as what was done to them: made, then called, in order.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import importlib
import importlib.machinery
import importlib.util
import json
import os
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

_HERE = Path(__file__).resolve().parent
_MOST_FOR_TEST = 12  # calls of one function by one test
_MOST_DIRECT = 60  # different calls of one function by tests
_MOST_INNER = 15  # different calls of one function by the project itself
_MOST_STEPS = 24  # calls of one object
_RECORD = "__git_mimo_record__"


def _start() -> None:
    settings_file = _HERE / "recorder.json"
    sys.path[:] = [entry for entry in sys.path if entry != str(_HERE)]
    _load_next()
    if settings_file.is_file():
        settings = json.loads(settings_file.read_text(encoding="utf-8"))
        sys.path.append(str(_HERE))
        codec = importlib.import_module("git_mimo_codec")
        sys.path.remove(str(_HERE))
        Recorder(settings, codec).install()


def _load_next() -> None:
    """Run the module of this name that ours stands in front of, if there is one."""
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", sys.path)
    if spec is not None and spec.loader is not None:
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)


class Recorder:
    """Adds the statement to the chosen files' functions as they are loaded, and writes down the calls."""

    def __init__(self, settings: dict[str, Any], codec: Any) -> None:
        self.codec = codec
        self.out = str(settings["out"])
        self.files = {os.path.realpath(path): set(names) for path, names in settings["files"].items()}
        self.paths = {os.path.realpath(path): path for path in settings["files"]}
        self.functions: list[dict[str, Any]] = []
        self.counts: dict[Any, int] = {}
        self.seen: set[str] = set()
        self.objects: dict[int, dict[str, Any]] = {}
        self.busy = threading.local()

    def install(self) -> None:
        """Have chosen modules loaded with the statement in place."""
        setattr(builtins, _RECORD, self.record)
        loader: Any = importlib.machinery.SourceFileLoader
        plain_code, plain_compile = loader.get_code, loader.source_to_code
        recorder = self

        def get_code(loading: Any, fullname: str) -> Any:
            if os.path.realpath(loading.path) in recorder.files and type(loading) is loader:
                with contextlib.suppress(OSError, SyntaxError, ValueError, RecursionError):
                    return loading.source_to_code(Path(loading.path).read_bytes(), loading.path)
            return plain_code(loading, fullname)

        def source_to_code(loading: Any, data: Any, path: Any, **options: Any) -> Any:
            """`data`: bytes, or a tree that another probe has changed."""
            file = os.path.realpath(path)
            if file in recorder.files and type(loading) is loader:
                with contextlib.suppress(SyntaxError, ValueError, RecursionError):
                    tree = data if isinstance(data, ast.AST) else ast.parse(data, path)
                    return plain_compile(loading, recorder.instrument(tree, file), path, **options)
            return plain_compile(loading, data, path, **options)

        loader.get_code = get_code
        loader.source_to_code = source_to_code

    def instrument(self, tree: Any, file: str) -> Any:
        """Put the statement at the start of a file's chosen functions and of their classes' methods."""
        self._visit(tree.body, "", file, None)
        return ast.fix_missing_locations(tree)

    def _visit(self, body: list[ast.stmt], prefix: str, path: str, owner: str | None) -> None:
        wanted = self.files[path]
        for node in body:
            if isinstance(node, ast.ClassDef):
                name = f"{prefix}{node.name}"
                self._visit(node.body, f"{name}.", path, name)
            elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                name = f"{prefix}{node.name}"
                is_member = owner is not None and any(other.startswith(f"{owner}.") for other in wanted)
                if name in wanted or is_member:
                    self._add(node, name, owner, path, is_target=name in wanted)
            else:
                for part in ("body", "orelse", "handlers", "finalbody"):
                    for inner in getattr(node, part, ()):
                        self._visit(
                            inner.body if isinstance(inner, ast.ExceptHandler) else [inner], prefix, path, owner
                        )

    def _add(self, node: Any, name: str, owner: str | None, path: str, *, is_target: bool) -> None:
        decorators = {ast.unparse(each).rpartition(".")[2].partition("(")[0] for each in node.decorator_list}
        kind = next((word for word in ("staticmethod", "classmethod", "setter", "deleter") if word in decorators), "")
        if not kind and decorators & {"property", "cached_property"}:
            kind = "property"
        about = {"name": name, "owner": owner, "kind": kind, "path": self.paths[path], "target": is_target}
        self.functions.append(about)
        call = ast.Expr(ast.Call(ast.Name(_RECORD, ast.Load()), [ast.Constant(len(self.functions) - 1)], []))
        has_text = ast.get_docstring(node, clean=False) is not None
        node.body.insert(1 if has_text else 0, ast.copy_location(call, node.body[0]))

    def record(self, number: int) -> None:
        """Called first in a chosen function; never raises."""
        if getattr(self.busy, "now", False):
            return
        self.busy.now = True
        try:
            with contextlib.suppress(Exception):  # the project's tests must not notice
                self._record(self.functions[number], sys._getframe(1))
        finally:
            self.busy.now = False

    def _record(self, function: dict[str, Any], frame: FrameType) -> None:
        test = _current_test(frame)
        if not test or (function["owner"] is None and not function["target"]):
            return
        if function["owner"] is None or function["kind"] in ("staticmethod", "classmethod"):
            self._record_function(function, frame, test, skip=int(function["kind"] == "classmethod"))
        else:
            self._record_method(function, frame, test)

    def _record_function(self, function: dict[str, Any], frame: FrameType, test: str, *, skip: int) -> None:
        if not function["target"]:
            return
        is_direct = not frame.f_back or os.path.realpath(frame.f_back.f_code.co_filename) not in self.files
        key = (function["path"], function["name"], is_direct)
        if self.counts.get(key, 0) >= (_MOST_DIRECT if is_direct else _MOST_INNER):
            return
        if self.counts.get((key, test), 0) >= _MOST_FOR_TEST:
            return
        module = str(frame.f_globals.get("__name__"))
        args, named = self._arguments(frame, skip)
        step = {"do": "call", "of": f"{module}:{function['name']}", "args": args, "named": named}
        if self._write(function, [step], test, {"direct": is_direct, "inner": _is_inner(frame), "object": ""}):
            for each in (key, (key, test)):
                self.counts[each] = self.counts.get(each, 0) + 1

    def _record_method(self, function: dict[str, Any], frame: FrameType, test: str) -> None:
        """Add a call to what was done to its object; calls that the object makes to itself are inside of others."""
        code = frame.f_code
        if not code.co_argcount:
            return
        me = frame.f_locals[code.co_varnames[0]]
        short = function["name"].rpartition(".")[2]
        entry = self.objects.get(id(me))
        count = (function["path"], function["owner"], test)
        if entry is None and self.counts.get(count, 0) >= 4 * _MOST_FOR_TEST:
            return
        if _is_inside(frame, me):
            if entry is not None:
                entry["target"] = entry["target"] or function["target"]
            return
        if short == "__init__" and getattr(type(me).__init__, "__code__", None) is code:
            entry = self._made(me, frame)
        elif entry is None or entry["me"] is not me:
            entry = {"me": me, "steps": [{"do": "value", "value": self.codec.encode(me)}], "target": False}
        if entry["steps"] is None:
            return
        self.objects[id(me)] = entry
        if len(self.objects) > 2000:
            self.objects.clear()
        if short != "__init__":
            args, named = self._arguments(frame, 1)
            do = {"property": "get", "setter": "set", "deleter": "delete"}.get(function["kind"], "method")
            entry["steps"].append({"do": do, "of": short, "args": args, "named": named})
        if len(entry["steps"]) > _MOST_STEPS:
            entry["steps"] = None
            return
        entry["target"] = entry["target"] or function["target"]
        entry["inner"] = entry.get("inner", True) and _is_inner(frame)
        if entry["target"] and self.counts.get(count, 0) < 4 * _MOST_FOR_TEST:
            self.counts[count] = self.counts.get(count, 0) + 1
            key = f"{os.getpid()}-{id(entry)}-{entry.setdefault('number', len(self.seen))}"
            self._write(function, entry["steps"], test, {"direct": True, "inner": entry["inner"], "object": key})

    def _made(self, me: Any, frame: FrameType) -> dict[str, Any]:
        kind = type(me)
        name = f"{kind.__module__}:{kind.__qualname__}"
        steps = None
        if self.codec.is_reachable(name, kind):
            with contextlib.suppress(self.codec.NotEncodable):
                args, named = self._arguments(frame, 1)
                steps = [{"do": "make", "of": name, "args": args, "named": named}]
        return {"me": me, "steps": steps, "target": False}

    def _arguments(self, frame: FrameType, skip: int) -> tuple[list[Any], dict[str, Any]]:
        code, values = frame.f_code, frame.f_locals
        count = code.co_argcount
        args = [self.codec.encode(values[name]) for name in code.co_varnames[skip:count]]
        only = code.co_varnames[count : count + code.co_kwonlyargcount]
        named = {name: self.codec.encode(values[name]) for name in only}
        rest = count + code.co_kwonlyargcount
        if code.co_flags & 4:
            args += [self.codec.encode(item) for item in values[code.co_varnames[rest]]]
            rest += 1
        if code.co_flags & 8:
            named.update({str(k): self.codec.encode(v) for k, v in values[code.co_varnames[rest]].items()})
        return args, named

    def _write(self, function: dict[str, Any], steps: list[Any], test: str, about: dict[str, Any]) -> bool:
        text = json.dumps([function["path"], function["name"], steps], sort_keys=True)
        if text in self.seen or len(text) > 60_000:
            return False
        self.seen.add(text)
        call = {"function": f"{function['path']}::{function['name']}", "steps": steps, "test": test}
        line = json.dumps({**call, **about}) + "\n"
        fd = os.open(self.out, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(fd, line.encode())
        finally:
            os.close(fd)
        return True


def _is_inside(frame: FrameType, me: Any) -> bool:
    """Whether a method of the same object makes this call."""
    back = frame.f_back
    for _ in range(3):
        if back is None:
            return False
        code = back.f_code
        if code.co_argcount and back.f_locals.get(code.co_varnames[0]) is me:
            return True
        back = back.f_back
    return False


def _is_inner(frame: FrameType) -> bool:
    """Whether the project itself makes this call: code of the same package."""
    callers = [each.f_globals.get("__name__", "").partition(".")[0] for each in (frame, frame.f_back) if each]
    return len(set(callers)) == 1


def _current_test(frame: FrameType | None) -> str:
    """The id of the test that is running: pytest tells it, a unittest case is found on the stack."""
    if running := os.environ.get("PYTEST_CURRENT_TEST", ""):
        return running.rpartition(" (")[0]
    while frame is not None:
        me = frame.f_locals.get("self") if frame.f_code.co_argcount else None
        if me is not None and any(base.__module__ == "unittest.case" for base in type(me).__mro__[:-1]):
            return str(me.id())
        frame = frame.f_back
    return ""


_start()
