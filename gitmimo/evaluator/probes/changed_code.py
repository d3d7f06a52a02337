"""Notes which changed lines a test run runs, and which outcomes of changed conditions it sees.

Lines are seen from outside. Conditions are handed through a function: files that hold some are compiled with the calls
in them, in memory; an older Python than 3.8 doesn't say where a condition ends, and none is noted.
"""

import ast
import builtins
import contextlib
import importlib.machinery
import os
import sys
import threading
from pathlib import Path
from typing import Any

_TOOL = 4  # no debugger, coverage or profiler has this number
_PLAIN = (bool, int, float, str, bytes, list, tuple, dict, set, frozenset, type(None))  # asking these does nothing
_monitoring: Any = getattr(sys, "monitoring", None)


class ChangedCode:
    """`wanted` by file: numbers of lines, and outcomes of conditions; `name` is that of the function in all code."""

    def __init__(self, wanted: dict[str, list[str]], name: str) -> None:
        self._wanted = {file: set(points) for file, points in wanted.items()}
        self._lines = {file: {int(p) for p in points if p.isdecimal()} for file, points in self._wanted.items()}
        self._ran: dict[str, set[int]] = {file: set() for file in self._lines}
        self._saw: dict[str, set[str]] = {file: set() for file in self._lines}
        self._name = name

    def watch(self) -> None:
        """Begin, unless there is nothing to note."""
        if not self._lines:
            return
        self._watch_conditions()
        if _monitoring is None and sys.gettrace() is None:
            threading.settrace(self._trace)
            sys.settrace(self._trace)
        if _monitoring is None or _monitoring.get_tool(_TOOL) is not None:
            return
        _monitoring.use_tool_id(_TOOL, self._name)
        _monitoring.register_callback(_TOOL, _monitoring.events.LINE, self._note_line)
        _monitoring.set_events(_TOOL, _monitoring.events.LINE)

    def noted(self) -> dict[str, list[str]] | None:
        """What of the wanted was there, by file; None when somebody took the place of what notes the lines."""
        is_watched = sys.gettrace() == self._trace if _monitoring is None else _monitoring.get_tool(_TOOL) == self._name
        if not self._lines or not is_watched:
            return None
        return {
            file: sorted({str(line) for line in self._ran[file] & lines} | self._saw[file] & self._wanted[file])
            for file, lines in self._lines.items()
        }

    def _note_line(self, code: Any, line: int) -> Any:
        if line in self._lines.get(code.co_filename, ()):
            self._ran[code.co_filename].add(line)
        return _monitoring.DISABLE  # once is enough

    def _trace(self, frame: Any, event: str, arg: Any) -> Any:
        """In place of monitoring, before Python 3.12: called for every function, goes on in the wanted files only."""
        ran = self._ran.get(frame.f_code.co_filename)
        if ran is None:
            return None
        if event == "line":
            ran.add(frame.f_lineno)
        return self._trace

    def _watch_conditions(self) -> None:
        places = {
            file: {p.partition(" ")[0] for p in points if not p.isdecimal()} for file, points in self._wanted.items()
        }
        loader: Any = importlib.machinery.SourceFileLoader
        plain = loader.get_code
        setattr(builtins, self._name, self._note_condition)

        def get_code(loading: Any, fullname: str) -> Any:
            file = os.path.realpath(loading.path)
            if places.get(file) and type(loading) is loader:
                with contextlib.suppress(OSError, SyntaxError, ValueError, RecursionError):
                    tree = ast.parse(Path(file).read_bytes(), loading.path)
                    tree = _Noting(self._name, file, places[file]).visit(tree)
                    return compile(ast.fix_missing_locations(tree), loading.path, "exec", dont_inherit=True)
            return plain(loading, fullname)

        loader.get_code = get_code

    def _note_condition(self, file: str, place: str, value: Any, plain: Any = _PLAIN) -> Any:
        """While the interpreter ends, when the names of this module are gone, `plain` is still there."""
        if type(value) in plain:
            self._saw[file].add(f"{place} {'true' if value else 'false'}")
        return value


class _Noting(ast.NodeTransformer):
    """Puts calls around the expressions at these places."""

    def __init__(self, name: str, file: str, places: set[str]) -> None:
        self._name = name
        self._file = file
        self._places = places

    def visit(self, node: ast.AST) -> Any:
        self.generic_visit(node)
        if not isinstance(node, ast.expr) or getattr(node, "end_lineno", None) is None:
            return node
        place = f"{node.lineno}:{node.col_offset}-{node.end_lineno}:{node.end_col_offset}"
        if place not in self._places:
            return node
        self._places.discard(place)  # the parser gives some inner expressions the place of an outer one
        call = ast.Call(
            ast.Name(self._name, ast.Load()), [ast.Constant(self._file), ast.Constant(place), node], keywords=[]
        )
        return ast.copy_location(call, node)
