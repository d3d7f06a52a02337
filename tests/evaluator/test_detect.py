"""Which command is chosen for which project, and that it really gives results by test id."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from gitmimo.errors import CheckError
from gitmimo.evaluator.baseline import measure_base
from gitmimo.evaluator.detect import detect_test_command
from gitmimo.evaluator.testbed import TestBed
from gitmimo.evaluator.testcommand import ReportFormat, TestCommand
from gitmimo.sandbox.base import Limits
from gitmimo.sandbox.probe import open_sandbox
from tests.conftest import GitBuilder
from tests.evaluator.conftest import PROJECT, RIGHT, Judge, measured

# this environment's many plugins take seconds to load
QUICK = f"PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 {sys.executable} -m pytest"
Files = Mapping[str, str | bytes | None]
UNITTEST = """\
import unittest

from calc.core import add, double


class CoreTest(unittest.TestCase):
    def test_add(self):
        self.assertEqual(add(2, 3), 5)

    def test_double(self):
        self.assertEqual(double(4), 8)

    @unittest.skip("later")
    def test_later(self):
        self.fail()
"""


def detect(files: Files, *, given: str = "", checkout: Path | None = None, path: str | None = None) -> TestCommand:
    def read(name: str) -> bytes | None:
        content = files.get(name)
        return content.encode() if isinstance(content, str) else content

    environ = {"PATH": os.environ["PATH"] if path is None else path, "HOME": "/nonexistent"}
    return detect_test_command(list(files), read, given=given, checkout=checkout, environ=environ)


@pytest.fixture
def bare_python(tmp_path: Path) -> str:
    """A PATH whose only Python has no pytest."""
    home = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True)
    return str(home / "bin")


@pytest.mark.parametrize(
    ("files", "form", "shown"),
    [
        ({"test_a.py": "def test_a(): pass\n"}, ReportFormat.PYTEST, "-m pytest"),
        ({"pyproject.toml": "[tool.pytest.ini_options]\n"}, ReportFormat.PYTEST, "-m pytest"),
        ({"setup.cfg": "[tool:pytest]\n"}, ReportFormat.PYTEST, "-m pytest"),
        ({"pytest.ini": ""}, ReportFormat.PYTEST, "-m pytest"),
        ({"package.json": '{"scripts": {"test": "node --test"}}'}, ReportFormat.NODE_JUNIT, "node --test"),
        ({"package.json": '{"scripts": {"test": "jest --ci"}}'}, ReportFormat.JEST_JSON, "npm test --"),
        (
            {"package.json": '{"scripts": {"test": "vitest"}}', "yarn.lock": ""},
            ReportFormat.VITEST_JSON, "yarn test --run",
        ),
        ({"package.json": '{"scripts": {"test": "tsc && mocha"}}'}, ReportFormat.NONE, "npm test"),
        (
            {"package.json": '{"scripts": {"test": "echo no test specified"}}', "a.test.mjs": ""},
            ReportFormat.NODE_JUNIT, "node",
        ),
        ({"go.mod": "module x\n"}, ReportFormat.GO_JSON, "go test ./..."),
        ({"Cargo.toml": "[package]\n"}, ReportFormat.CARGO_TEXT, "cargo test"),
        ({"Cargo.toml": "[workspace]\n"}, ReportFormat.CARGO_TEXT, "--workspace"),
        ({"pom.xml": ""}, ReportFormat.SUREFIRE, "mvn -B"),
        ({"build.gradle.kts": "", "gradlew": ""}, ReportFormat.SUREFIRE, "./gradlew"),
        ({"tox.ini": "[tox]\n"}, ReportFormat.PYTEST, "tox"),
        ({"noxfile.py": ""}, ReportFormat.PYTEST, "nox"),
        ({"Makefile": "all:\n\tcc\ntest: all\n\t./t\n"}, ReportFormat.PYTEST, "make test"),
        ({"Makefile": "check :\n\t./t\n"}, ReportFormat.PYTEST, "make check"),
    ],
)  # fmt: skip
def test_command_is_found_in_the_base_tree(files: Files, form: ReportFormat, shown: str) -> None:
    found = detect(files)
    assert found.report is form
    assert shown in found.shown
    assert found.reason


@pytest.mark.parametrize("files", [{}, {"main.c": ""}, {"Makefile": "all:\n\tcc\ntest := 1\n"}, {"package.json": "{"}])
def test_nothing_found_is_an_error_that_says_what_to_do(files: Files) -> None:
    with pytest.raises(CheckError) as caught:
        detect(files)
    assert "--test" in caught.value.hint


@pytest.mark.parametrize(
    ("given", "is_pytest", "form"),
    [
        ("pytest -q", True, ReportFormat.PYTEST),
        ("cd sub && python3 -m pytest tests", True, ReportFormat.PYTEST),
        ("uv run --frozen pytest", True, ReportFormat.PYTEST),
        ("./venv/bin/pytest", True, ReportFormat.PYTEST),
        ("python -m unittest -v", False, ReportFormat.PYTEST),
        ("node --import x --test a/", False, ReportFormat.NODE_JUNIT),
        ("npx vitest run", False, ReportFormat.VITEST_JSON),
        ("go test -race ./...", False, ReportFormat.GO_JSON),
        ("cargo +nightly test", False, ReportFormat.CARGO_TEXT),
        ("./mvnw verify", False, ReportFormat.SUREFIRE),
        ("make check", False, ReportFormat.PYTEST),
        ("./run-my-tests.sh", False, ReportFormat.PYTEST),
        ("./pytest-runner.sh", False, ReportFormat.PYTEST),
    ],
)
def test_given_command_is_recognised(given: str, is_pytest: bool, form: ReportFormat) -> None:
    found = detect({}, given=given)
    assert (found.is_pytest, found.report) == (is_pytest, form)
    assert found.shown.endswith(given)


def test_projects_own_environment_comes_first(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / ".venv")], check=True)
    library = next((tmp_path / ".venv" / "lib").glob("python*/site-packages"))
    (library / "pytest.py").write_text("")
    found = detect({"test_a.py": ""}, checkout=tmp_path)
    assert found.interpreter == tmp_path / ".venv" / "bin" / "python"
    assert tmp_path / ".venv" in found.readable
    tracked = detect({"test_a.py": "", ".venv/bin/python": ""}, checkout=tmp_path)
    assert tracked.interpreter != found.interpreter


def test_program_of_the_projects_environment_is_found_for_a_given_command(tmp_path: Path) -> None:
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "pytest").write_text("")
    found = detect({}, given="pytest -q", checkout=tmp_path, path="/nonexistent")
    assert found.shown == f'export PATH="{tmp_path}/.venv/bin:$PATH"\npytest -q'


def test_tests_of_unittest_are_run_by_our_pytest_where_no_python_has_one(
    monkeypatch: pytest.MonkeyPatch, bare_python: str, make_bench: Callable[..., TestBed], git: GitBuilder
) -> None:
    monkeypatch.setattr(sys, "executable", f"{bare_python}/python")
    files = {**PROJECT, "pyproject.toml": None, "tests/test_core.py": UNITTEST, "tests/__init__.py": ""}
    files = {name: text for name, text in files.items() if text is not None}
    found = detect(files, path=bare_python)
    assert "run_pytest" in found.shown
    judge = measured(git, make_bench(files, tests=found))
    assert judge.baseline.failed_ids == {"tests/test_core.py::CoreTest::test_add"}
    assert judge.baseline.passed_ids == {"tests/test_core.py::CoreTest::test_double"}
    assert judge({"calc/core.py": RIGHT}).passed
    assert not judge({"unittest.py": "raise SystemExit(0)\n"}).passed
    patched = "import unittest\nunittest.TestCase.run = lambda self, result=None: result.addSuccess(self)\n"
    assert not judge({"calc/__init__.py": patched}).passed


# --- other runners, for real -----------------------------------------------------------------------------------------


@pytest.fixture
def judged(make_bench: Callable[..., TestBed], git: GitBuilder) -> Callable[..., Judge]:
    """A judge of a project with the command that detection gives for it."""

    def make(files: Files, *, given: str = "", **options: object) -> Judge:
        testbed = make_bench(files, tests=detect(files, given=given, checkout=git.path), **options)
        return measured(git, testbed)

    return make


@pytest.mark.parametrize(
    "given",
    [
        f"cd tests && PYTHONPATH= {QUICK} && echo ok",
        f"{QUICK} -p xdist.plugin -q -n 2",
        f"{QUICK} tests/test_core.py -k double ; {QUICK} -k add",
    ],
)
def test_given_pytest_command_reports_by_id(judged: Callable[..., Judge], given: str) -> None:
    judge = judged(PROJECT, given=given)
    assert judge.baseline.failed_ids == {"tests/test_core.py::test_add"}
    assert judge({"calc/core.py": RIGHT}).fixed_ids == ("tests/test_core.py::test_add",)


def test_make_that_runs_pytest_reports_by_id(judged: Callable[..., Judge]) -> None:
    judge = judged({**PROJECT, "Makefile": f"test:\n\t{QUICK}\n"}, given="make test")
    assert judge.baseline.failed_ids == {"tests/test_core.py::test_add"}
    green = judge({"Makefile": "test:\n\ttrue\n"})
    assert not green.passed
    assert green.restored_paths == ("Makefile",)


def test_command_without_report_counts_by_exit_code(judged: Callable[..., Judge]) -> None:
    files = {"run.sh": "#!/bin/sh\n. ./lib.sh\ntest $(add 2 3) = 5\n", "lib.sh": "add() { echo $(($1 - $2)); }\n"}
    judge = judged(files, given="sh run.sh")
    assert judge.baseline.notes
    assert not judge({"lib.sh": "add() { echo 6; }\n"}).passed
    assert judge({"lib.sh": "add() { echo $(($1 + $2)); }\n"}).passed
    assert not judge({"run.sh": "true\n"}).passed


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_node_reports_by_id(judged: Callable[..., Judge]) -> None:
    test = (
        "import test from 'node:test'; import assert from 'node:assert'; import {add, one} from '../core.mjs';\n"
        "test('adds', () => assert.equal(add(2, 3), 5)); test('group', async t => {\n"
        "  await t.test('one', () => assert.equal(one, 1)); });\n"
    )
    files = {
        "package.json": json.dumps({"name": "x", "scripts": {"test": "node --test"}}),
        "core.mjs": "export const add = (a, b) => a - b;\nexport const one = 1;\n",
        "test/core.test.mjs": test,
    }
    judge = judged(files)
    assert judge.baseline.failed_ids == {"test::adds"}
    assert judge.baseline.passed_ids == {"test::group > one"}
    right = "export const add = (a, b) => a + b;\nexport const one = 1;\n"
    assert judge({"core.mjs": right}).passed
    assert not judge({"core.mjs": right.replace("one = 1", "one = 2")}).passed
    assert not judge({"core.mjs": "process.exit(0);\n" + right}).passed
    assert not judge({"package.json": json.dumps({"scripts": {"test": "true"}})}).passed


def _has_cargo() -> bool:
    """A rustup shim without a toolchain in this home is no cargo."""
    return bool(shutil.which("cargo")) and not subprocess.run(["cargo", "--version"], capture_output=True).returncode


@pytest.mark.skipif(not _has_cargo(), reason="needs a cargo with its toolchain")
def test_cargo_reports_by_id(judged: Callable[..., Judge]) -> None:
    files = {
        "Cargo.toml": '[package]\nname = "calc"\nversion = "0.1.0"\nedition = "2021"\n',
        "src/lib.rs": "pub fn add(a: i32, b: i32) -> i32 { a - b }\npub fn one() -> i32 { 1 }\n",
        "tests/core.rs": "#[test]\nfn adds() { assert_eq!(calc::add(2, 3), 5); }\n"
        "#[test]\nfn one() { assert_eq!(calc::one(), 1); }\n",
    }
    judge = judged(files)
    assert judge.baseline.failed_ids == {"tests/core.rs::adds"}
    assert judge.baseline.passed_ids == {"tests/core.rs::one"}
    right = str(files["src/lib.rs"]).replace("a - b", "a + b")
    assert judge({"src/lib.rs": right}).passed
    assert not judge({"src/lib.rs": right.replace("{ 1 }", "{ std::process::exit(0) }")}).passed


def test_named_environment_of_the_checkout_is_there_in_a_fresh_tree(
    judged: Callable[..., Judge], git: GitBuilder
) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(git.path / ".venv")], check=True)
    packages = next(path for path in map(Path, sys.path) if (path / "pytest").is_dir())
    library = next((git.path / ".venv" / "lib").glob("python*/site-packages"))
    (library / "all.pth").write_text(f"{packages}\n")
    command = ". .venv/bin/activate && PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 python -m pytest"
    judge = judged({**PROJECT, ".gitignore": ".venv\n"}, given=command, checkout=git.path)
    assert judge.baseline.failed_ids == {"tests/test_core.py::test_add"}


# --- bases that can't be measured ------------------------------------------------------------------------------------


def test_base_that_hangs_is_a_clear_error(make_bench: Callable[..., TestBed]) -> None:
    testbed = make_bench({**PROJECT, "tests/test_core.py": "while True:\n    pass\n"}, limits=Limits(timeout_s=6))
    with pytest.raises(CheckError, match="did not end within 6 s"):
        measure_base(testbed)


def test_base_whose_setup_fails_is_a_clear_error(make_bench: Callable[..., TestBed]) -> None:
    with pytest.raises(CheckError, match="setup fails on the base commit with exit code 7"):
        measure_base(make_bench(setup=("echo no network; exit 7",)))


def test_missing_test_command_is_a_clear_error(make_bench: Callable[..., TestBed]) -> None:
    command = TestCommand(command="no-such-runner", report=ReportFormat.NONE)
    with pytest.raises(CheckError, match="was not found"):
        measure_base(make_bench(tests=command))


def test_base_whose_pytest_cannot_start_is_a_clear_error(make_bench: Callable[..., TestBed]) -> None:
    pyproject = '[tool.pytest.ini_options]\naddopts = "--no-such-option"\n'
    with pytest.raises(CheckError, match="cannot be run or read.*no-such-option"):
        measure_base(make_bench({**PROJECT, "pyproject.toml": pyproject}))


def test_test_that_disagrees_with_itself_is_set_aside(
    make_bench: Callable[..., TestBed], git: GitBuilder, tmp_path: Path
) -> None:
    counter = tmp_path / "counter"
    counter.mkdir()
    flaky = f"""
from pathlib import Path


def test_flaky():
    seen = Path({str(counter)!r})
    number = len(list(seen.iterdir()))
    (seen / str(number)).touch()
    assert number % 2
"""
    testbed = make_bench({**PROJECT, "tests/test_flaky.py": flaky}, sandbox=open_sandbox("none"))
    baseline = measure_base(testbed)
    assert baseline.flaky_ids == ("tests/test_flaky.py::test_flaky",)
    judge = Judge(git=git, testbed=testbed, baseline=baseline)
    evidence = judge({"calc/core.py": RIGHT})
    assert (evidence.passed, evidence.flaky_ids) == (True, baseline.flaky_ids)


def test_new_failure_that_does_not_come_again_is_set_aside_and_recorded(
    make_bench: Callable[..., TestBed], git: GitBuilder, tmp_path: Path
) -> None:
    """Passes twice on base, fails once on the product, passes from then on."""
    counter = tmp_path / "counter"
    counter.mkdir()
    unlucky = f"""
from pathlib import Path


def test_unlucky():
    seen = Path({str(counter)!r})
    number = len(list(seen.iterdir()))
    (seen / str(number)).touch()
    assert number != 2
"""
    testbed = make_bench({**PROJECT, "tests/test_unlucky.py": unlucky}, sandbox=open_sandbox("none"))
    judge = Judge(git=git, testbed=testbed, baseline=measure_base(testbed))
    evidence = judge({"calc/core.py": RIGHT})
    assert evidence.passed, evidence.failed_gates
    assert evidence.flaky_ids == ("tests/test_unlucky.py::test_unlucky",)
    assert any("failed once and passed in 2 further runs" in flag for flag in evidence.flags)


def test_evidence_names_the_command_without_this_machines_paths() -> None:
    given = TestCommand(command=("/home/ann/.venv/bin/python", "-m", "pytest", "-q"), report=ReportFormat.PYTEST)
    assert given.name == "python -m pytest -q"
    assert replace(given, command="make -C /srv/x check").name == "make -C /srv/x check"
