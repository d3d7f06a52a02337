"""Files that affect results whatever their names: named by test ids, read by tests, run by the test command."""

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import PurePosixPath

from gitmimo.evaluator.baseline import Baseline
from gitmimo.evaluator.protected import MANIFESTS, is_test_file
from gitmimo.evaluator.testbed import JudgingFiles, TestBed
from gitmimo.evaluator.testcommand import ReportFormat

_IDS_WITH_FILES = (ReportFormat.PYTEST, ReportFormat.JEST_JSON, ReportFormat.VITEST_JSON)
_DOCUMENT = re.compile(r"(?:readme|change(?:s|log)|history|news|license|authors|contributing)\b[^/]*", re.I)
_PACKAGE_RUN = re.compile(r"\b(?:npm|pnpm|yarn|bun)\b(?:\s+run(?:-script)?)?\s+([\w:.-]+)")
_MAKE_RUN = re.compile(r"\b(?:make|gmake)\b((?:\s+[\w./=-]+)*)")
_PROGRAM = re.compile(
    r"(?:^|[\s;&|('\"@])(?:(?:python[\d.]*|node|bash|sh|zsh|ruby|perl|deno(?:\s+run)?|bun|tsx|ts-node|php)"
    r"\s+(?:-\w+\s+)*|(?=\./))"
    r"(?:\./)?([\w./-]+\.\w+|\./[\w./-]+)"
)
_LIBRARY = ("src/", "lib/", "pkg/", "app/")
_MAKEFILES = ("GNUmakefile", "makefile", "Makefile")

Read = Callable[[str], bytes | None]


def find_judging_files(testbed: TestBed, baseline: Baseline) -> JudgingFiles:
    """Look at what base's run was seen to do, and at what base's build files say the test command does."""
    repository = testbed.repository
    paths = {entry.path for entry in repository.list_paths(testbed.base)}
    tests = {path for path in _named_by_ids(baseline) if path in paths}
    packages = {str(PurePosixPath(path).parent) for path in paths if path.endswith("/__init__.py")}

    def is_test(path: str) -> bool:
        return path in tests or is_test_file(path)

    data = {
        path
        for path, reader in baseline.watched.reads.items()
        if path in paths and is_test(reader) and not _belongs_to_product(path, packages)
    }
    scripts = find_scripts(testbed.commands, lambda path: repository.read_blob(testbed.base, path)) & paths
    scripts = {path for path in scripts if not _belongs_to_product(path, packages) and not path.startswith(_LIBRARY)}
    return JudgingFiles(tests=frozenset(tests), data=frozenset(data - tests), scripts=frozenset(scripts))


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
        module = file.removesuffix(".py").replace("/", ".")
        is_example = inner.partition("[")[0].startswith(tuple(_endings(module))) or inner == PurePosixPath(file).name
        if inner and not is_example:
            yield file


def _endings(module: str) -> Iterator[str]:
    """How an example's id may begin: the module's dotted name, with or without the directories before its package."""
    parts = module.removesuffix(".__init__").split(".")
    yield from (".".join(parts[start:]) for start in range(len(parts)))


def _belongs_to_product(path: str, packages: Collection[str]) -> bool:
    """Whether a file that tests read is the product's own: documents, manifests, data inside packages."""
    pure = PurePosixPath(path)
    if pure.name in MANIFESTS or pure.suffix in (".toml", ".cfg", ".lock") or _DOCUMENT.fullmatch(pure.name):
        return True
    return any(str(parent) in packages for parent in pure.parents) and not is_test_file(path)


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
    names: list[str] = []
    for line in text.replace("\\\n", " ").splitlines():
        if line.startswith("\t"):
            for name in names:
                rules[name][1].append(line.strip())
        elif rule := re.match(r"([^\s:=#.][^:=#]*|\.\w+):(?!=)([^=]*)$", line):
            names = rule[1].split()
            for name in names:
                rules.setdefault(name, ([], []))[0].extend(rule[2].split("#")[0].split())
        elif line.strip():
            names = []
    waiting = targets or [name for name in rules if not name.startswith(".")][:1]
    found, seen = [], set()
    while waiting:
        target = waiting.pop(0)
        if target not in seen and target in rules:
            seen.add(target)
            waiting += rules[target][0]
            found += rules[target][1]
    return found
