"""Which command runs a project's tests: read from the base tree, or recognised in what the user gave."""

import json
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from gitmimo.errors import CheckError
from gitmimo.evaluator.command import ReportFormat, TestCommand, TestKind
from gitmimo.evaluator.interpreter import find_interpreters, has_module, venv_programs
from gitmimo.sandbox.policy import interpreter_places

Read = Callable[[str], bytes | None]

_GIVE = "name the command: `--test \"…\"` or `git mimo config set test '…'`"
_NO_TEST = "no test specified"
_RECOGNISED: tuple[tuple[str, TestKind, ReportFormat], ...] = (
    (r"(?<![-\w/])(?:\S*/)?(?:pytest|py\.test)(?![-\w])|-m\s+pytest\b", TestKind.PYTEST, ReportFormat.PYTEST),
    (r"-m\s+unittest\b", TestKind.UNITTEST, ReportFormat.UNITTEST),
    (r"\bnode\b.*\s--test(?![-\w])", TestKind.NODE, ReportFormat.NODE_JUNIT),
    (r"\bvitest\b", TestKind.VITEST, ReportFormat.VITEST_JSON),
    (r"\bjest\b", TestKind.JEST, ReportFormat.JEST_JSON),
    (r"\bgo test\b", TestKind.GO, ReportFormat.GO_JSON),
    (r"\bcargo (?:\S+ )?test\b", TestKind.CARGO, ReportFormat.CARGO_TEXT),
    (r"\b(?:mvn|mvnw)\b", TestKind.MAVEN, ReportFormat.SUREFIRE),
    (r"\b(?:gradle|gradlew)\b", TestKind.GRADLE, ReportFormat.SUREFIRE),
    (r"\btox\b", TestKind.TOX, ReportFormat.PYTEST),
    (r"\bnox\b", TestKind.NOX, ReportFormat.PYTEST),
    (r"\bmake\b", TestKind.MAKE, ReportFormat.PYTEST),
)


def detect_test_command(
    paths: Sequence[str],
    read: Read,
    *,
    given: str = "",
    checkout: Path | None = None,
    environ: Mapping[str, str],
) -> TestCommand:
    """Decide how the tests are run.

    `paths` and `read` show the base tree. `given` is the user's own command and wins; it is recognised so that its
    results come back by test id all the same. `checkout` is where ignored things lie, as a virtual environment or
    `node_modules`. CheckError with a hint when nothing is found or the tool is missing.
    """
    if given.strip():
        return _recognise(given.strip(), read, checkout=checkout, environ=environ)
    known = set(paths)
    found = (
        _python(known, read, checkout, environ)
        or _node(known, read, checkout, environ)
        or _by_file(known, read)
        or _tox_or_nox(known)
        or _make(known, read)
    )
    if found is None:
        raise CheckError("no test command found in the base commit", hint=_GIVE)
    return found


def _recognise(given: str, read: Read, *, checkout: Path | None, environ: Mapping[str, str]) -> TestCommand:
    if re.fullmatch(r"(?:npm|yarn|pnpm)(?: run)? (?:test|t)", given):
        return _npm_script(given, read, checkout)
    matches = ((kind, form) for pattern, kind, form in _RECOGNISED if re.search(pattern, given))
    kind, form = next(matches, (TestKind.COMMAND, ReportFormat.PYTEST))
    command = given
    readable: tuple[Path, ...] = ()
    if kind in (TestKind.PYTEST, TestKind.UNITTEST):
        programs = venv_programs(checkout, given.split(), environ)
        if programs:
            command, readable = f'export PATH="{programs}:$PATH"\n{given}', (programs.parent,)
    return TestCommand(
        command=command,
        kind=kind,
        report=form,
        readable=readable + _linked(checkout, kind) + _environment_places(checkout, given),
        links=_links(checkout, kind) + _named_environments(checkout, given),
        reason="given by the user",
    )


def _named_environments(checkout: Path | None, given: str) -> tuple[str, ...]:
    """Virtual environments of the checkout that a command names, as in `.venv/bin/pytest`."""
    names = re.findall(r"(?<![\w./-])(?:\./)?(\.venv|venv|env)/", given)
    return tuple(dict.fromkeys(name for name in names if checkout and (checkout / name / "pyvenv.cfg").is_file()))


def _environment_places(checkout: Path | None, given: str) -> tuple[Path, ...]:
    names = _named_environments(checkout, given)
    return tuple(p for name in names if checkout for p in interpreter_places(checkout / name / "bin" / "python"))


# --- Python ----------------------------------------------------------------------------------------------------------


def _python(known: set[str], read: Read, checkout: Path | None, environ: Mapping[str, str]) -> TestCommand | None:
    tests = sorted(path for path in known if _is_python_test(path))
    wants_pytest = _has_pytest_config(known, read) or "conftest.py" in {PurePosixPath(p).name for p in known}
    if not tests and not wants_pytest:
        return None
    wants_pytest = wants_pytest or any(re.search(rb"^\s*(import|from) pytest\b", read(p) or b"", re.M) for p in tests)
    tracked = any(path.startswith((".venv/", "venv/")) for path in known)
    pythons = []
    for python in find_interpreters(None if tracked else checkout, environ):
        pythons.append(python)
        if has_module(python.path, "pytest"):
            return TestCommand(
                command=(str(python.path), "-m", "pytest", "-q"),
                kind=TestKind.PYTEST,
                report=ReportFormat.PYTEST,
                interpreter=python.path,
                readable=python.readable,
                reason=f"Python tests, pytest from {python.origin}",
            )
    bare_functions = any(re.search(rb"^(async )?def test_", read(path) or b"", re.M) for path in tests)
    if pythons and tests and not wants_pytest and not bare_functions:
        start = _unittest_start(tests)
        return TestCommand(
            command=(str(pythons[0].path), "-m", "unittest", "discover", "-v", *start),
            kind=TestKind.UNITTEST,
            report=ReportFormat.UNITTEST,
            interpreter=pythons[0].path,
            readable=pythons[0].readable,
            reason=f"unittest, because {pythons[0].origin} has no pytest",
        )
    if pythons:
        tried = ", ".join(f"`{python.path}`" for python in pythons)
        raise CheckError(
            f"the project's tests need pytest, and none of these has it: {tried}",
            hint=f"install it there (`python3 -m pip install pytest` in the project's environment), or {_GIVE}",
        )
    return None


def _is_python_test(path: str) -> bool:
    name = PurePosixPath(path).name
    return name.endswith(".py") and (name.startswith("test_") or name.endswith("_test.py") or name == "tests.py")


def _has_pytest_config(known: set[str], read: Read) -> bool:
    if {"pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml"} & known:
        return True
    if b"[tool:pytest]" in (read("setup.cfg") or b"") or b"[pytest]" in (read("tox.ini") or b""):
        return True
    try:
        project = tomllib.loads((read("pyproject.toml") or b"").decode("utf-8", "replace"))
    except tomllib.TOMLDecodeError:
        return False
    tool = project.get("tool", {})
    return isinstance(tool, dict) and "pytest" in tool


def _unittest_start(tests: Sequence[str]) -> tuple[str, ...]:
    """Where discovery begins: `tests/` when all tests lie there, else the top."""
    tops = {path.split("/")[0] for path in tests if "/" in path}
    if len(tops) == 1 and all("/" in path for path in tests):
        pattern = () if all(PurePosixPath(p).name.startswith("test") for p in tests) else ("-p", "*test*.py")
        return ("-s", next(iter(tops)), "-t", ".", *pattern)
    return ()


# --- JavaScript ------------------------------------------------------------------------------------------------------


def _node(known: set[str], read: Read, checkout: Path | None, environ: Mapping[str, str]) -> TestCommand | None:
    if "package.json" in known and (script := _test_script(read)) and _NO_TEST not in script:
        manager = "pnpm" if "pnpm-lock.yaml" in known else "yarn" if "yarn.lock" in known else "npm"
        return _npm_script(f"{manager} test", read, checkout)
    tests = [
        p for p in known if re.search(r"(?:^|/)(?:test/.*|[^/]*[.-]test)\.[cm]?js$", p) and "node_modules/" not in p
    ]
    if not tests:
        return None
    return TestCommand(
        command="node --test",
        kind=TestKind.NODE,
        report=ReportFormat.NODE_JUNIT,
        reason="test files of node's own runner",
    )


def _npm_script(command: str, read: Read, checkout: Path | None) -> TestCommand:
    script = _test_script(read)
    kind, form = TestKind.NPM, ReportFormat.NONE
    manager = command.split()[0]
    if re.fullmatch(r"node (?:\S+ )*--test(?: [^;&|]*)?", script):
        command, kind, form = script, TestKind.NODE, ReportFormat.NODE_JUNIT
    elif re.fullmatch(r"(?:npx )?vitest(?: [^;&|]*)?", script):
        command, kind, form = f"{manager} test -- --run", TestKind.VITEST, ReportFormat.VITEST_JSON
    elif re.fullmatch(r"(?:\S+=\S+ )*(?:npx )?(?:react-scripts test|jest)(?: [^;&|]*)?", script):
        command, kind, form = f"{manager} test --", TestKind.JEST, ReportFormat.JEST_JSON
    return TestCommand(
        command=command,
        kind=kind,
        report=form,
        readable=_linked(checkout, kind),
        links=_links(checkout, kind),
        reason=f"script `test` of package.json: `{script}`",
    )


def _test_script(read: Read) -> str:
    try:
        package: Any = json.loads(read("package.json") or b"{}")
        return str(package["scripts"]["test"]).strip()
    except (ValueError, KeyError, TypeError):
        return ""


def _links(checkout: Path | None, kind: TestKind) -> tuple[str, ...]:
    wanted = kind in (TestKind.NPM, TestKind.JEST, TestKind.VITEST, TestKind.NODE)
    return ("node_modules",) if wanted and checkout and (checkout / "node_modules").is_dir() else ()


def _linked(checkout: Path | None, kind: TestKind) -> tuple[Path, ...]:
    return tuple((checkout / name).resolve() for name in _links(checkout, kind)) if checkout else ()


# --- the others ------------------------------------------------------------------------------------------------------


def _by_file(known: set[str], read: Read) -> TestCommand | None:
    if "go.mod" in known:
        return TestCommand(command="go test ./...", kind=TestKind.GO, report=ReportFormat.GO_JSON, reason="go.mod")
    if "Cargo.toml" in known:
        command = "cargo test --no-fail-fast" + (
            " --workspace" if b"[workspace]" in (read("Cargo.toml") or b"") else ""
        )
        return TestCommand(command=command, kind=TestKind.CARGO, report=ReportFormat.CARGO_TEXT, reason="Cargo.toml")
    if "pom.xml" in known:
        program = "./mvnw" if "mvnw" in known else "mvn"
        command = f"{program} -B -o -fae test"
        return TestCommand(command=command, kind=TestKind.MAVEN, report=ReportFormat.SUREFIRE, reason="pom.xml")
    if {"build.gradle", "build.gradle.kts"} & known:
        program = "./gradlew" if "gradlew" in known else "gradle"
        command = f"{program} --offline --no-daemon --continue test"
        return TestCommand(command=command, kind=TestKind.GRADLE, report=ReportFormat.SUREFIRE, reason="build.gradle")
    return None


def _tox_or_nox(known: set[str]) -> TestCommand | None:
    for name, kind in (("tox.ini", TestKind.TOX), ("noxfile.py", TestKind.NOX)):
        if name in known:
            return TestCommand(command=kind.value, kind=kind, report=ReportFormat.PYTEST, reason=name)
    return None


def _make(known: set[str], read: Read) -> TestCommand | None:
    for name in ("GNUmakefile", "makefile", "Makefile"):
        if name in known and (target := re.search(rb"^(test|check)\s*:(?!=)", read(name) or b"", re.M)):
            command = f"make {target[1].decode()}"
            return TestCommand(command=command, kind=TestKind.MAKE, report=ReportFormat.PYTEST, reason=name)
    return None
