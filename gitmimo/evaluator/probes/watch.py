"""Watches what a test run stands on, and writes the report of a probe: a line of JSON for each finding.

Watched are test machinery, standard library, tests' own code, and files that are read.

Looks at the identity of objects, not at anybody's source: functions, classes and their methods before the first test
module is imported, and again at the end. Copied out under another name; it imports nothing of git-mimo. Product code
runs in the same process and could undo what it did before the end; the other probes are for that.
"""

import contextlib
import json
import locale
import os
import sys
import time
import types
from typing import Any

MACHINERY = ("_pytest", "pytest", "pluggy", "unittest", "builtins")
_DECIDING = ("__eq__", "__ne__", "__contains__", "__bool__", "__lt__", "__instancecheck__")
_CHANGING = {
    "__builtins__", "__warningregistry__", "_cache", "__annotations__", "__doc__", "__dict__", "__weakref__",
    "_abc_impl", "__abstractmethods__", "_", "last_exc", "last_type", "last_value", "last_traceback",
    "__static_attributes__", "__firstlineno__",
}  # fmt: skip
_WATCHED_KINDS = (type, types.FunctionType, types.BuiltinFunctionType)
_MEMBER_KINDS = (types.FunctionType, property, classmethod, staticmethod)
_OWN = ("warnings", "logging", "threading")  # test runners replace parts of these themselves
_MOST_READS = 5_000


class Watch:
    """One run's watch. `settings` are the probe's; `probe` is its module's name."""

    def __init__(self, settings: dict[str, Any], probe: str) -> None:
        self._settings = settings
        self._root = os.path.join(os.path.realpath(settings["tree"]), "")  # noqa: PTH118
        self._quiet = {settings["watch"], settings["guard"], probe}
        self._names: list[str] = []
        self._before: dict[str, Any] = {}
        self._codes: dict[str, tuple[Any, Any]] = {}
        self._was_traced = False
        self._traced = ""
        self._reads: dict[str, str] = {}
        self._writes: set[str] = set()
        self._began = 0.0
        self._is_on = False

    def start(self) -> None:
        """Remember what is there before the tree's modules are imported, and begin to note the files that are read."""
        self._names = [name for name, module in list(sys.modules.items()) if self._is_stable(name, module)]
        self._before = self._identities()
        self._was_traced = sys.gettrace() is not None or sys.getprofile() is not None
        self._began = time.time()
        self._is_on = True
        sys.addaudithook(self._note_open)

    def free_environment(self) -> None:
        """Let programs that the tests start see what a user's own run shows them, and this tree before installed
        copies."""
        for name in ("PYTEST_ADDOPTS", "PYTHONSAFEPATH"):
            os.environ.pop(name, None)
        before, own = os.environ.get("PYTHONPATH", "").split(os.pathsep), os.path.dirname(__file__)  # noqa: PTH120
        others = [part for part in before if part and part != own]
        os.environ["PYTHONPATH"] = os.pathsep.join([*self._settings["roots"], *others])

    def write(self, record: dict[str, Any]) -> None:
        """Add one line to the report."""
        line = json.dumps({"nonce": self._settings["nonce"], **record}) + "\n"
        fd = os.open(self._settings["report"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(fd, line.encode())
        finally:
            os.close(fd)

    def write_findings(self) -> None:
        """Write what was watched, and where the project's packages came from."""
        for name in self._settings["packages"]:
            module = sys.modules.get(name)
            if module is not None:
                where = getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", ())), None)
                self.write({"kind": "origin", "id": name, "file": str(where or "")})
        outside, inside = self._modules()
        self.write({"kind": "modules", "outside": outside, "inside": inside})
        self._is_on = False
        self.write({"kind": "reads", "files": sorted(self._reads.items())})
        changes = self._changes()
        self.write({"kind": "watched", "tampered": self._tampered(changes), "doubtful": self._doubtful(changes)})

    def note_test(self, name: str, function: Any) -> None:
        """Remember the code of a test."""
        code = getattr(function, "__code__", None)
        if code is not None:
            self._codes[name] = (code, function)

    def look(self) -> None:
        """Look at what can be set and taken back between two tests."""
        if not self._traced and not self._was_traced and (sys.gettrace() or sys.getprofile()):
            self._traced = "a trace function is set"

    def _tampered(self, changes: list[tuple[str, str]]) -> list[str]:
        """What judges the product and is not what it was: nothing of a run with these can be trusted."""
        self.look()
        found = [f"{what} {name}" for what, name in changes if name.partition(".")[0] in MACHINERY]
        found += [f"the code of {n} changed" for n, (code, f) in self._codes.items() if f.__code__ is not code]
        return found + ([self._traced] if self._traced else [])

    def _doubtful(self, changes: list[tuple[str, str]]) -> list[str]:
        """What of the standard library and of the process is not what it was."""
        standard = [name for what, name in changes if what == "replaced" and name.partition(".")[0] not in MACHINERY]
        found = [f"replaced {name}" for name in standard]
        found += [f"writes to `{path}`" for path in sorted(self._writes)]
        found.append(f"Python runs with the flags {tuple(sys.flags)}")  # another process may have taken the run over
        return [*found, f"TZ is {os.environ.get('TZ')}", f"the locale is {locale.setlocale(locale.LC_ALL)}"]

    def _changes(self) -> list[tuple[str, str]]:
        now = self._identities()
        found = [("replaced", name) for name, value in self._before.items() if now.get(name) is not value]
        return found + [("added", n) for n in now if n not in self._before and n.rpartition(".")[2] in _DECIDING]

    def _modules(self) -> tuple[list[str], list[str]]:
        """Names of top-level modules that were loaded: from outside the tree, and from inside."""
        outside: set[str] = set()
        inside: set[str] = set()
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            if "." not in name and name not in self._quiet and isinstance(file, str):
                (inside if os.path.realpath(file).startswith(self._root) else outside).add(name)
        return sorted(outside | set(sys.builtin_module_names)), sorted(inside)

    def _note_open(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event != "open" or not self._is_on or len(self._reads) > _MOST_READS:
            return
        path, mode, flags = arguments
        if not isinstance(path, (str, bytes, os.PathLike)):
            return
        writes = mode[:1] not in ("r", "") or "+" in mode if isinstance(mode, str) else False
        writes = writes or (mode is None and isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR)))
        self._is_on = False  # nothing that is done here counts
        try:
            (self._note_write if writes else self._note_read)(os.path.realpath(os.fsdecode(path)))
        finally:
            self._is_on = True

    def _note_write(self, path: str) -> None:
        """A file of the tree that is written to and was there before the tests began."""
        inner = path[len(self._root) :] if path.startswith(self._root) else ""
        if inner and not inner.startswith((".git/", ".pytest_cache/")) and "__pycache__/" not in inner:
            with contextlib.suppress(OSError):
                if os.stat(path).st_ctime < self._began:  # noqa: PTH116
                    self._writes.add(inner)

    def _note_read(self, path: str) -> None:
        """A file of the tree that is read and not imported, with the file of the tree whose code reads it."""
        if not path.startswith(self._root) or path.endswith((".py", ".pyc", ".so", ".pyi")) or not os.path.isfile(path):  # noqa: PTH113
            return
        inner = path[len(self._root) :]
        if inner.startswith(".git/") or "/__pycache__/" in path:
            return
        frame = sys._getframe(2)
        reader = ""
        for _ in range(60):
            if frame is None:
                break
            if frame.f_code.co_filename.startswith(self._root):
                reader = frame.f_code.co_filename[len(self._root) :]
                break
            frame = frame.f_back  # type: ignore[assignment]
        self._reads.setdefault(inner, reader)

    def _is_stable(self, name: str, module: Any) -> bool:
        top = name.partition(".")[0]
        file = getattr(module, "__file__", None) or ""
        if not isinstance(file, str) or os.path.realpath(file).startswith(self._root) or name in self._quiet:
            return False
        return (top in MACHINERY or top in sys.stdlib_module_names) and top not in _OWN and name != "__main__"

    def _identities(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name in self._names:
            module = sys.modules.get(name)
            for key, value in list(vars(module).items()) if module is not None else ():
                if key in _CHANGING or not isinstance(value, _WATCHED_KINDS):
                    continue
                where = f"{name}.{key}"
                found[where] = value
                if isinstance(value, types.FunctionType):
                    found[f"{where}.__code__"] = value.__code__
                elif isinstance(value, type) and value.__module__ == name:
                    self._members(where, value, found)
        return found

    def _members(self, where: str, kind: type, found: dict[str, Any]) -> None:
        for key, member in list(vars(kind).items()):
            if key in _CHANGING or not isinstance(member, _MEMBER_KINDS):
                continue
            found[f"{where}.{key}"] = member
            function = getattr(member, "__func__", member)
            if isinstance(function, types.FunctionType):
                found[f"{where}.{key}.__code__"] = function.__code__
