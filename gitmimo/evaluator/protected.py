"""Which paths of a product are replaced by the base's before it is judged.

Files affect results whatever their names when test ids name them, tests read them, or the test command runs them.
"""

import json
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from pathlib import PurePosixPath

from gitmimo.evaluator.baseline import Baseline
from gitmimo.evaluator.python_env import Read, module_names
from gitmimo.evaluator.rules import read_rules
from gitmimo.evaluator.testbed import TestBed
from gitmimo.evaluator.testcommand import ReportFormat
from gitmimo.files import has_test_name, is_test_directory, is_test_path

_CONFIG = read_rules("test_configuration")
_CONFIG_PATTERN = re.compile(_CONFIG["pattern"])
# what installs say, and compiled files that Python takes for their source
_METADATA_DIRECTORY = re.compile(r"(?:^|/)(?:[^/]+\.(?:egg-info|dist-info)|__pycache__)/")
_LOCKFILES: dict[str, str] = read_rules("lock_files")
_BUILD_FILES = frozenset({"Makefile", "makefile", "GNUmakefile", "justfile", "Justfile", "Taskfile.yml"})
MANIFESTS = frozenset(_LOCKFILES.values()) | {"requirements.txt", "setup.py", "setup.cfg", "pom.xml", "build.gradle"}
_IDS_WITH_FILES = (ReportFormat.PYTEST, ReportFormat.JEST_JSON, ReportFormat.VITEST_JSON)
_DOCUMENT = re.compile(r"(?:readme|change(?:s|log)|history|news|license|authors|contributing)\b[^/]*", re.I)
_PACKAGE_RUN = re.compile(r"\b(?:npm|pnpm|yarn|bun)\b(?:\s+run(?:-script)?)?\s+([\w:.-]+)")
_MAKE_RUN = re.compile(r"\b(?:make|gmake)\b((?:\s+[\w./=-]+)*)")
_PROGRAM = re.compile(
    r"(?:^|[\s;&|('\"@])(?:(?:python[\d.]*|node|bash|sh|zsh|ruby|perl|deno(?:\s+run)?|bun|tsx|ts-node|php)"
    r"\s+(?:-\w+\s+)*|(?=\./))"
    r"(?:\./)?([\w./-]+\.\w+|\./[\w./-]+)"
)
# targets, what these need, and the lines that are run for them
_MAKE_RULE = re.compile(r"^([^\s:=#.][^:=#\n]*|\.\w+):(?!=)([^=\n]*)$((?:\n(?:\t.*|[^\S\n]*)$)*)", re.MULTILINE)
_SHARED = ("pyproject.toml", "setup.cfg", "package.json")  # they hold more than configuration of tests
_LIBRARY = ("src/", "lib/", "pkg/", "app/")
_MAKEFILES = ("GNUmakefile", "makefile", "Makefile")


def named_configuration(task_text: str) -> tuple[str, ...]:
    """The files that a task names and that configure tests or CI."""
    words = {word.rstrip(".-") for word in re.findall(r"[\w./-]+", task_text)}
    return tuple(sorted(word for word in words if _is_configuration(word) or word in _SHARED))


def _is_configuration(path: str) -> bool:
    name = PurePosixPath(path).name
    is_known = name in _CONFIG["names"] or bool(_CONFIG_PATTERN.fullmatch(name))
    return is_known or path.startswith(tuple(_CONFIG["directories"]))


class ProtectedPaths:
    """Answers whether a path belongs to the base, from what the base holds and what the user added.

    Covered: test files and everything in directories of tests, configuration of tests and CI, files that Python runs
    by itself, lockfiles whose manifest stays as it was, `.mimo/`. Not covered: product code that tests import and that
    lies outside such directories, unless the test bed's `test_files` or `scripts` name it; a new file with a test's
    name where the base keeps no tests is product code.
    """

    def __init__(self, testbed: TestBed, base_paths: Iterable[str], *, changed: Iterable[str] = ()) -> None:
        base = list(base_paths)
        self._tests = {path for path in base if _is_test_module(path)} | testbed.test_files
        self._beside = {PurePosixPath(path).parent for path in self._tests}
        self._directories = {top for path in self._tests for top in _test_tops(path)}
        self._base_directories = {top for path in base for top in _test_tops(path)}
        self._changed = set(changed)
        self._extra = [_glob(pattern) for pattern in testbed.protected]
        self._exempt = [_glob(pattern) for pattern in testbed.unprotected]
        words = " ".join(testbed.commands)
        self._builds = bool(re.search(r"\b(?:make|just|task)\b", words))
        mentioned = (path for path in base if path in words)  # before a pattern is made of each path
        self._named = {path for path in mentioned if re.search(rf"(?:^|[\s=/]){re.escape(path)}(?:\s|$)", words)}
        self._named |= testbed.scripts

    def is_protected(self, path: str) -> bool:
        """Whether the base's version of this path (or its absence) counts."""
        if self.is_exempt(path):
            return path.startswith(".mimo/")
        name = PurePosixPath(path).name
        return (
            self.is_test(path)
            or _is_configuration(path)
            or path.startswith(".mimo/")
            or bool(_METADATA_DIRECTORY.search(path))
            or self._is_frozen_lock(path)
            or (self._builds and (name in _BUILD_FILES or name.endswith(".mk")))
            or path in self._named
            or any(pattern.fullmatch(path) for pattern in self._extra)
        )

    def is_exempt(self, path: str) -> bool:
        """Whether the person lets candidates change this test or other file that decides."""
        return any(pattern.fullmatch(path) for pattern in self._exempt)

    def is_named(self, path: str) -> bool:
        """Whether a command that decides names this file of base."""
        return path in self._named

    def is_test(self, path: str) -> bool:
        """Whether a path is a test or belongs to tests."""
        if path in self._tests or any(path.startswith(top) for top in self._directories):
            return True
        tops = _test_tops(path)
        if tops and not any(top in self._base_directories for top in tops):
            return True  # a directory of tests that the base doesn't have
        is_beside = not self._tests or PurePosixPath(path).parent in self._beside or "/" not in path
        return is_beside and _is_test_module(path)

    def _is_frozen_lock(self, path: str) -> bool:
        """A lockfile may change together with its manifest only: a dependency was added then, and a person looks."""
        lock = PurePosixPath(path)
        return lock.name in _LOCKFILES and str(lock.with_name(_LOCKFILES[lock.name])) not in self._changed


def _is_test_module(path: str) -> bool:
    """Whether a file has a test's name itself; what only configures tests has not."""
    return has_test_name(path) and PurePosixPath(path).name != "conftest.py"


def _test_tops(path: str) -> list[str]:
    """The prefixes of a path that end in a directory of tests."""
    parts = path.split("/")[:-1]
    return ["/".join(parts[: i + 1]) + "/" for i, part in enumerate(parts) if is_test_directory(part)]


def _glob(pattern: str) -> re.Pattern[str]:
    """A glob over whole paths: `*` within a name, `**` over directories; a directory covers everything below it."""
    pattern = pattern + "**" if pattern.endswith("/") else pattern
    out = ""
    for piece in re.findall(r"\*\*/?|\*|\?|\[[^\]]+\]|.", pattern, re.S):
        if piece.startswith("**"):
            out += "(?:.*/)?" if piece.endswith("/") else ".*"
        elif piece == "*":
            out += "[^/]*"
        elif piece == "?":
            out += "[^/]"
        else:
            out += piece if len(piece) > 1 else re.escape(piece)
    # a pattern that names a directory without a slash at its end covers everything below it as well
    return re.compile(f"{out}(?:/.*)?", re.S)


# --- files that judge by what is done with them ----------------------------------------------------------------------


def with_judging_files(testbed: TestBed, baseline: Baseline) -> TestBed:
    """The test bed with the files of base that affect results whatever their names.

    They show in what base's run was seen to do, and in what base's build files say that the test command does.
    """
    repository = testbed.repository
    paths = {entry.path for entry in repository.list_paths(testbed.base)}
    tests = {path for path in _named_by_ids(baseline) if path in paths}
    packages = {str(PurePosixPath(path).parent) for path in paths if path.endswith("/__init__.py")}

    def is_test(path: str) -> bool:
        return path in tests or is_test_path(path)

    data = {
        path
        for path, reader in baseline.watched.reads.items()
        if path in paths and is_test(reader) and not _belongs_to_product(path, packages)
    }
    scripts = find_scripts(testbed.commands, lambda path: repository.read_blob(testbed.base, path)) & paths
    scripts = {path for path in scripts if not _belongs_to_product(path, packages) and not path.startswith(_LIBRARY)}
    return replace(testbed, test_files=frozenset(tests | data), scripts=frozenset(scripts))


def find_scripts(commands: Iterable[str], read: Read) -> set[str]:
    """Programs of the tree that the commands run, through `npm` scripts and make's recipes as well."""
    text = "\n".join(_expanded(list(commands), read))
    return {match[1].removeprefix("./") for match in _PROGRAM.finditer(text)}


def _named_by_ids(baseline: Baseline) -> Iterator[str]:
    """Files that hold tests; a documentation example's file is the product's."""
    if baseline.tests.report not in _IDS_WITH_FILES:
        return
    for name in baseline.report.cases:
        file, _, inner = name.partition("::")
        is_example = inner.partition("[")[0].startswith(module_names(file)) or inner == PurePosixPath(file).name
        if inner and not is_example:
            yield file


def _belongs_to_product(path: str, packages: Collection[str]) -> bool:
    """Whether a file that tests read is the product's own: documents, manifests, data inside packages."""
    pure = PurePosixPath(path)
    if pure.name in MANIFESTS or pure.suffix in (".toml", ".cfg", ".lock") or _DOCUMENT.fullmatch(pure.name):
        return True
    return any(str(parent) in packages for parent in pure.parents) and not is_test_path(path)


def _expanded(commands: list[str], read: Read) -> list[str]:
    """The commands and what they run in turn, at most so many."""
    done: list[str] = []
    while commands and len(done) < 60:
        command = commands.pop(0)
        if command in done:
            continue
        done.append(command)
        for match in _PACKAGE_RUN.finditer(command):
            commands += _package_scripts(match[1], read)
        for match in _MAKE_RUN.finditer(command):
            commands += _recipes([word for word in match[1].split() if "=" not in word and word[0] != "-"], read)
    return done


def _package_scripts(name: str, read: Read) -> list[str]:
    try:
        scripts = json.loads(read("package.json") or b"{}").get("scripts", {})
    except (ValueError, AttributeError):
        return []
    names = (f"pre{name}", name, f"post{name}") if isinstance(scripts, dict) else ()
    return [scripts[key] for key in names if isinstance(scripts.get(key), str)]


def _recipes(targets: list[str], read: Read) -> list[str]:
    """The lines that make runs for the targets and what these need; for no target, the first one's."""
    text = next((content for name in _MAKEFILES if (content := read(name))), b"").decode("utf-8", "replace")
    rules: dict[str, tuple[list[str], list[str]]] = {}
    for names, needs, recipe in _MAKE_RULE.findall(text.replace("\\\n", " ")):
        for name in names.split():
            needed, lines = rules.setdefault(name, ([], []))
            needed += needs.split("#")[0].split()
            lines += [line.strip() for line in recipe.splitlines() if line.strip()]
    waiting = targets or [name for name in rules if not name.startswith(".")][:1]
    found, seen = [], set()
    while waiting:
        target = waiting.pop(0)
        if target not in seen and target in rules:
            seen.add(target)
            waiting += rules[target][0]
            found += rules[target][1]
    return found
