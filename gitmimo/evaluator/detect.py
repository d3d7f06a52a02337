"""Which command runs a project's tests: read from the base tree, or recognised in what the user gave."""

import importlib.util
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from gitmimo.errors import CheckError
from gitmimo.evaluator.probe import probe_path
from gitmimo.evaluator.python_env import (
    Interpreter,
    Read,
    find_interpreters,
    generated_files,
    has_module,
    ignored_imports,
    read_pyproject,
    table_at,
    venv_programs,
)
from gitmimo.evaluator.rules import read_rules
from gitmimo.evaluator.testcommand import ReportFormat, TestCommand
from gitmimo.files import has_test_name
from gitmimo.sandbox.policy import interpreter_paths

_GIVE = "name the command: `--test \"…\"` or `git mimo config set test '…'`"
_MARKERS = re.compile(
    r"pyproject\.toml|setup\.(?:py|cfg)|package\.json|go\.mod|Cargo\.toml|pom\.xml|build\.gradle(?:\.kts)?"
)
_NO_TEST = "no test specified"
_TEST_FILE = re.compile(r"(?:^|/)(?:tests?/.*|[^/]*[.-]test)\.[cm]?[jt]s$")
_WORKSPACE_DEPTH = 4  # directories below the top in which a workspace's packages are looked for
_NODE_RUNNERS = (("vitest", "vitest run", ReportFormat.VITEST_JSON), ("jest", "jest", ReportFormat.JEST_JSON))
_HIDDEN = {"node_modules", "vendor", "third_party", "testdata", "fixtures", "examples"}
_PYTEST_PACKAGES = ("pytest", "_pytest", "pluggy", "iniconfig", "packaging", "pygments")
_PYTEST = re.compile(r"(?<![-\w/])(?:\S*/)?(?:pytest|py\.test)(?![-\w])|-m\s+pytest\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """One project of a base tree as detection sees it: the files below `directory`, and its checkout."""

    paths: frozenset[str]  # relative to `directory`
    read: Read
    environ: Mapping[str, str]
    checkout: Path | None = None  # of the whole repository, with its ignored files
    directory: str = ""

    def below(self, directory: str) -> "Project":
        """The project in one of the directories of this one."""
        if not directory:
            return self
        inside = frozenset(p.removeprefix(f"{directory}/") for p in self.paths if p.startswith(f"{directory}/"))
        whole = f"{self.directory}/{directory}".strip("/")
        return replace(self, paths=inside, read=lambda path: self.read(f"{directory}/{path}"), directory=whole)


def detect_test_command(
    paths: Sequence[str],
    read: Read,
    *,
    given: str = "",
    checkout: Path | None = None,
    environ: Mapping[str, str],
    directory: str = "",
) -> TestCommand:
    """Decide how the tests are run.

    `paths` and `read` show the base tree. `given` is the user's own command and wins; it is recognised so that its
    results come back by test id anyway. `checkout` holds ignored files such as a virtual environment or `node_modules`.
    `directory` is the user's current directory in the tree: the nearest project around it is tested. CheckError with a
    hint when nothing is found or the tool is missing.
    """
    top = Project(paths=frozenset(paths), read=read, environ=environ, checkout=checkout)
    if given.strip():
        return _complete(top, _recognise(given.strip(), top))
    places = _project_directories(top.paths)
    parts = [part for part in directory.split("/") if part not in ("", ".")]
    for place in ("/".join(parts[:count]) for count in range(len(parts), -1, -1)):
        if place in places and (found := _detect(top.below(place))):
            return _placed(top, found, place, places)
    outside = [path for path in paths if not any(_is_inside(path, place) for place in places)]
    if "" not in places and (found := _detect(replace(top, paths=frozenset(outside)))):
        return _complete(top, found)
    return _only_project(top, places)


def _placed(top: Project, tests: TestCommand, directory: str, places: Sequence[str]) -> TestCommand:
    """The command in its project, with the projects beside it named, whose tests do not run."""
    project = top.below(directory)
    if not directory:
        return _complete(project, tests)
    others = [p for p in places if p and not _is_inside(p, directory) and not _is_inside(directory, p)]
    beside = f"; not run: the tests of {', '.join(f'`{p}`' for p in others[:5])}" if others else ""
    return _complete(project, replace(tests, directory=directory, reason=f"{tests.reason}, in `{directory}`{beside}"))


def _is_inside(path: str, directory: str) -> bool:
    return not directory or f"{path}/".startswith(f"{directory}/")


def _project_directories(paths: frozenset[str]) -> list[str]:
    """The directories with a project's file, the top as the empty string."""
    found = {str(PurePosixPath(path).parent) for path in paths if _MARKERS.fullmatch(PurePosixPath(path).name)}
    return sorted("" if place == "." else place for place in found if not _HIDDEN & set(place.split("/")))


def _only_project(top: Project, places: Sequence[str]) -> TestCommand:
    """The one project below the top that has tests; CheckError when it is none or several."""
    found: dict[str, TestCommand] = {}
    for place in filter(None, places):
        if not any(_is_inside(place, other) for other in found) and (tests := _detect(top.below(place))):
            found[place] = tests
    if len(found) == 1:
        place, tests = next(iter(found.items()))
        return _placed(top, tests, place, places)
    if found:
        raise CheckError(
            f"several projects have tests, and none at the top: {', '.join(f'`{place}`' for place in found)}",
            hint=f"start in one of them (`cd {next(iter(found))}`), or {_GIVE}",
        )
    raise CheckError("no test command found in the base commit", hint=_GIVE)


def _detect(project: Project) -> TestCommand | None:
    return _python(project) or find_node_command(project.paths, project.read) or _by_file(project)


def _complete(project: Project, tests: TestCommand) -> TestCommand:
    """Add what the project's tests need apart from the command: dependencies, ignored files, its own programs."""
    if project.checkout is None:
        return tests
    links = linked_modules(project.checkout) if tests.is_node else ()
    targets = tuple((project.checkout / name).resolve() for name in links)
    copies: tuple[str, ...] = ()
    generated: tuple[tuple[str, str], ...] = ()
    if tests.report is ReportFormat.PYTEST:
        copies = ignored_imports(project.checkout, project.directory, project.paths)
        missing = [(f"{project.directory}/{path}".lstrip("/"), text) for path, text in generated_files(project.read)]
        generated = tuple(each for each in missing if each[0] not in copies)
    programs = tests.programs or (tests.interpreter.parent if tests.interpreter else None)
    return replace(
        tests,
        links=tuple(dict.fromkeys((*tests.links, *links))),
        readable=(*tests.readable, *targets),
        copies=copies,
        generated=generated,
        programs=programs,
    )


def _recognise(given: str, project: Project) -> TestCommand:
    if re.fullmatch(r"(?:npm|yarn|pnpm)(?: run)? (?:test|t)", given):
        return npm_script(given, project.read)
    is_pytest = bool(_PYTEST.search(given))
    others = () if is_pytest else read_rules("given_commands").items()
    forms = (ReportFormat(form) for form, pattern in others if re.search(pattern, given))
    programs = venv_programs(project.checkout, given.split(), project.environ) if is_pytest else None
    # virtual environments of the checkout that the command names, as in `.venv/bin/pytest`
    names = dict.fromkeys(re.findall(r"(?<![\w./-])(?:\./)?(\.venv|venv|env)/", given))
    homes = [project.checkout / name for name in names if project.checkout]
    homes = [home for home in homes if (home / "pyvenv.cfg").is_file()]
    readable = [place for home in homes for place in interpreter_paths(home / "bin" / "python")]
    return TestCommand(
        command=f'export PATH="{programs}:$PATH"\n{given}' if programs else given,
        report=next(forms, ReportFormat.PYTEST),
        is_pytest=is_pytest,
        programs=programs,
        readable=(*([programs.parent] if programs else []), *readable),
        links=tuple(home.name for home in homes),
        reason="given by the user",
    )


# --- Python ----------------------------------------------------------------------------------------------------------


def _python(project: Project) -> TestCommand | None:
    known, read = project.paths, project.read
    tests = sorted(p for p in known if p.endswith(".py") and has_test_name(p) and not p.endswith("conftest.py"))
    configures = _has_pytest_config(known, read) or any(PurePosixPath(path).name == "conftest.py" for path in known)
    if not tests and not configures:
        return None
    tracked = any(path.startswith((".venv/", "venv/")) for path in known)
    checkout = None if tracked else project.checkout
    first: Interpreter | None = None
    for python in find_interpreters(checkout, project.environ, directory=project.directory):
        if has_module(python.path, "pytest"):
            return _pytest(python, f"Python tests, pytest from {python.origin}")
        first = first or python
        if python.is_project:
            break  # its packages are what the tests need; the runner can come from us
    return _own_pytest(first) if first else None


def _own_pytest(python: Interpreter) -> TestCommand:
    """For a Python without pytest: git-mimo's, run by a script that gets the places of its packages."""
    specs = [importlib.util.find_spec(name) for name in _PYTEST_PACKAGES]
    homes = sorted({str(Path(p).parent) for spec in specs if spec for p in spec.submodule_search_locations or ()})
    script = probe_path("run_pytest.py")
    found = _pytest(python, f"Python tests in {python.origin}; it has no pytest, so git-mimo's runs them")
    command = (str(python.path), str(script), os.pathsep.join(homes), "-q")
    return replace(found, command=command, readable=(*found.readable, script.parent, *map(Path, homes)))


def _pytest(python: Interpreter, reason: str) -> TestCommand:
    return TestCommand(
        command=(str(python.path), "-m", "pytest", "-q"),
        report=ReportFormat.PYTEST,
        is_pytest=True,
        interpreter=python.path,
        readable=tuple(interpreter_paths(python.path)),
        reason=reason,
    )


def _has_pytest_config(known: frozenset[str], read: Read) -> bool:
    if {"pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml"} & known:
        return True
    if b"[tool:pytest]" in (read("setup.cfg") or b"") or b"[pytest]" in (read("tox.ini") or b""):
        return True
    return table_at(read_pyproject(read), "tool", "pytest") is not None


# --- JavaScript ------------------------------------------------------------------------------------------------------


def find_node_command(known: frozenset[str], read: Read) -> TestCommand | None:
    """The test script of `package.json`, else a runner that it depends on, else node's own; None without tests."""
    if "package.json" in known and (script := _test_script(read)) and _NO_TEST not in script:
        manager = "pnpm" if "pnpm-lock.yaml" in known else "yarn" if "yarn.lock" in known else "npm"
        return npm_script(f"{manager} test", read)
    tests = [path for path in known if _TEST_FILE.search(path) and "node_modules/" not in path]
    package = _package(read)
    for name, command, form in _NODE_RUNNERS:
        if tests and any(table_at(package, kind, name) for kind in ("dependencies", "devDependencies")):
            return TestCommand(command=f"npx {command}", report=form, reason=f"`{name}` in package.json")
    if not any(path.endswith("js") for path in tests):
        return None
    reason = "test files of node's own runner"
    return TestCommand(command="node --test", report=ReportFormat.NODE_JUNIT, reason=reason)


def npm_script(command: str, read: Read) -> TestCommand:
    """A package manager's test command, with a report where the script is one known runner and nothing else."""
    script = _test_script(read)
    form = ReportFormat.NONE
    manager = command.split()[0]
    if re.fullmatch(r"node (?:\S+ )*--test(?: [^;&|]*)?", script):
        command, form = script, ReportFormat.NODE_JUNIT
    elif re.fullmatch(r"(?:npx )?vitest(?: [^;&|]*)?", script):
        command, form = _with_options(manager, "--run"), ReportFormat.VITEST_JSON
    elif re.fullmatch(r"(?:\S+=\S+ )*(?:npx )?(?:react-scripts test|jest)(?: [^;&|]*)?", script):
        command, form = _with_options(manager, ""), ReportFormat.JEST_JSON
    reason = f"script `test` of package.json: `{script}`"
    return TestCommand(command=command, report=form, reason=reason)


def linked_modules(checkout: Path) -> tuple[str, ...]:
    """Every `node_modules` of the checkout's packages, relative to it: the top's and those of workspaces."""
    found = []
    for directory, names, _ in os.walk(checkout):
        depth = len(Path(directory).relative_to(checkout).parts)
        if "node_modules" in names:
            found.append(str((Path(directory) / "node_modules").relative_to(checkout)))
        names[:] = [n for n in names if n != "node_modules" and not n.startswith(".") and depth < _WORKSPACE_DEPTH]
    return tuple(sorted(found))


def _with_options(manager: str, options: str) -> str:
    """npm passes on the arguments after `--`; pnpm and yarn pass on everything, `--` included."""
    return f"{manager} test{' --' if manager == 'npm' else ''} {options}".rstrip()


def _test_script(read: Read) -> str:
    return str(table_at(_package(read), "scripts", "test") or "").strip()


def _package(read: Read) -> Any:
    try:
        return json.loads(read("package.json") or b"{}")
    except ValueError:
        return {}


# --- the others ------------------------------------------------------------------------------------------------------


def _by_file(project: Project) -> TestCommand | None:
    paths = sorted(project.paths)
    for runner in read_rules("runners")["known"]:
        for path in filter(re.compile(runner["file"]).fullmatch, paths):
            if found := re.search(runner.get("holds", "").encode(), project.read(path) or b"", re.M):
                names = {"path": path, "top": path.split("/")[0], "found": found[0].rstrip(b" :").decode()}
                report = ReportFormat(runner.get("report", "pytest"))
                return TestCommand(command=runner["command"].format(**names), report=report, reason=path)
    return None
