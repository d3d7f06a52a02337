"""Reading reports, tasks, layouts and shared files: pure functions on text."""

import json
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from gitmimo.evaluator.probe import Probe
from gitmimo.evaluator.protected import ProtectedPaths
from gitmimo.evaluator.python_env import find_layout
from gitmimo.evaluator.reports import ReportContent, read_report
from gitmimo.evaluator.required_fixes import RequiredFixes, find_required_fixes, passes, unrelated_tests
from gitmimo.evaluator.review_flags import suspicious_lines
from gitmimo.evaluator.testbed import TestBed
from gitmimo.evaluator.testcommand import ReportFormat, TestCommand
from gitmimo.evaluator.tested_tree import with_base_config
from gitmimo.evidence import TestOutcome
from gitmimo.git.diff import AddedLine
from gitmimo.ids import Oid

PASSED, FAILED, ERROR, SKIPPED = TestOutcome.PASSED, TestOutcome.FAILED, TestOutcome.ERROR, TestOutcome.SKIPPED


def read(tmp_path: Path, form: ReportFormat, text: str) -> ReportContent:
    (tmp_path / "report").write_text(text)
    return read_report(Probe(command="x", tree=tmp_path, report=tmp_path / "report"), form)


def test_failing_tests_that_know_nothing_of_the_project_need_not_pass() -> None:
    """What needs a network fails whatever a candidate does; a test that starts programs may reach the project."""
    files = {
        "calc/core.py": b"", "tests/conftest.py": b"import pytest\n", "tests/test_net.py": b"import socket\n",
        "tests/test_run.py": b"import subprocess\n", "tests/test_core.py": b"from calc.core import add\n",
    }  # fmt: skip
    failing = [f"{path}::test_x" for path in files if "test_" in path]
    assert unrelated_tests(failing, files, files.get) == {"tests/test_net.py::test_x"}
    assert find_required_fixes("Fix it", failing[:1], unrelated=failing[:1]) == RequiredFixes()
    assert find_required_fixes("Fix test_net.py", failing[:1], unrelated=failing[:1]).needs_all


def test_junit_counts_equal_names_and_keeps_suites(tmp_path: Path) -> None:
    text = (
        '<testsuites><testsuite name="s"><testcase name="a" classname="c"/>'
        '<testcase name="a" classname="c"><failure/></testcase><testcase name="b" classname="c"><error/></testcase>'
        '<testcase name="d" file="f"><skipped/></testcase></testsuite></testsuites>'
    )
    found = read(tmp_path, ReportFormat.NODE_JUNIT, text)
    assert found.cases == {"c::s > a": FAILED, "c::s > a #2": PASSED, "c::s > b": ERROR, "f::s > d": SKIPPED}


@pytest.mark.parametrize("text", ["", "<a", '<!DOCTYPE x [<!ENTITY a "b">]><testsuites/>', "{}"])
def test_unreadable_xml_is_no_report(tmp_path: Path, text: str) -> None:
    assert not read(tmp_path, ReportFormat.NODE_JUNIT, text).found


def test_link_in_the_place_of_a_report_is_no_report(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("<testsuites/>")
    (tmp_path / "report").symlink_to("real")
    probe = Probe(command="x", tree=tmp_path, report=tmp_path / "report")
    assert not read_report(probe, ReportFormat.NODE_JUNIT).found


def test_surefire_reports_are_collected_from_all_modules(tmp_path: Path) -> None:
    for module in ("a", "b"):
        directory = tmp_path / module / "target" / "surefire-reports"
        directory.mkdir(parents=True)
        (directory / "TEST-x.xml").write_text(f'<testsuite><testcase name="t" classname="{module}.T"/></testsuite>')
    probe = Probe(command="x", tree=tmp_path, report=tmp_path)
    assert read_report(probe, ReportFormat.SUREFIRE).cases == {"a.T::t": PASSED, "b.T::t": PASSED}


def test_go_events_become_cases_and_text(tmp_path: Path) -> None:
    events = [
        {"Action": "output", "Package": "m/a", "Test": "TestA", "Output": "--- FAIL: TestA\n"},
        {"Action": "fail", "Package": "m/a", "Test": "TestA"},
        {"Action": "pass", "Package": "m/a", "Test": "TestB/sub"},
        {"Action": "skip", "Package": "m/a", "Test": "TestC"},
        {"Action": "fail", "Package": "m/a"},
        {"Action": "fail", "Package": "m/broken"},
    ]
    text = "# m/broken\nerror: no\n" + "\n".join(json.dumps(event) for event in events)
    found = read(tmp_path, ReportFormat.GO_JSON, text)
    assert found.cases == {
        "m/a::TestA": FAILED, "m/a::TestB/sub": PASSED, "m/a::TestC": SKIPPED, "m/broken (package)": ERROR,
    }  # fmt: skip
    assert "--- FAIL: TestA" in found.output


CARGO = """\
     Running unittests src/lib.rs (target/debug/deps/calc-0123)

running 2 tests
test tests::adds ... ok
test tests::panics - should panic ... FAILED

test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out

   Doc-tests calc

running 1 test
test src/lib.rs - add (line 3) ... ignored

test result: ok. 0 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out
"""


def test_cargo_text_becomes_cases(tmp_path: Path) -> None:
    found = read(tmp_path, ReportFormat.CARGO_TEXT, CARGO)
    assert found.cases == {
        "src/lib.rs::tests::adds": PASSED,
        "src/lib.rs::tests::panics": FAILED,
        "doc calc::src/lib.rs - add": SKIPPED,
    }


def test_forged_cargo_line_does_not_add_up(tmp_path: Path) -> None:
    forged = CARGO.replace("test tests::adds ... ok", "test tests::adds ... ok\ntest tests::forged ... ok")
    found = read(tmp_path, ReportFormat.CARGO_TEXT, forged)
    assert not found.found
    assert "add up" in found.problem


def test_jest_json_becomes_cases(tmp_path: Path) -> None:
    report = {
        "testResults": [
            {"name": f"{tmp_path}/a.test.js", "status": "failed", "assertionResults": [
                {"fullName": "adds", "status": "passed"}, {"fullName": "breaks", "status": "failed"},
                {"fullName": "later", "status": "pending"}]},
            {"name": f"{tmp_path}/b.test.js", "status": "failed", "assertionResults": []},
        ]
    }  # fmt: skip
    found = read(tmp_path, ReportFormat.JEST_JSON, json.dumps(report))
    assert found.cases == {
        "a.test.js::adds": PASSED, "a.test.js::breaks": FAILED, "a.test.js::later": SKIPPED,
        "b.test.js (collection)": ERROR,
    }  # fmt: skip
    assert not read(tmp_path, ReportFormat.JEST_JSON, '{"testResults": [1]}').found


FAILING = ("tests/test_core.py::test_add", "tests/test_io.py::TestRead::test_empty[x]")


@pytest.mark.parametrize(
    ("task", "needs_all", "count"),
    [
        ("make test_add pass", True, 1),
        ("see tests/test_io.py", True, 1),
        ("TestRead is red", True, 1),
        ("make all the tests pass", True, 2),
        ("the tests fail, why?", True, 2),
        ("Fix the bug in add", False, 2),
        ("add should return the sum", False, 2),
        ("calc.add must return the sum of its two arguments", False, 2),
        ("add(2, 3) ergibt -1, es muss 5 sein", False, 2),
        ("加法函数返回了差而不是和", False, 2),
        ("sumar devuelve la resta de los dos números", False, 2),
        ("Bitte test_add reparieren", True, 1),
        ("让 test_add 通过", True, 1),
        ("Haz que pase test_add", True, 1),
    ],
)
def test_task_says_which_failing_tests_it_is_about(task: str, needs_all: bool, count: int) -> None:
    found = find_required_fixes(task, FAILING)
    assert (found.needs_all, len(found.test_ids)) == (needs_all, count)


def test_green_base_asks_for_nothing() -> None:
    assert find_required_fixes("fix all failing tests", ()).test_ids == ()


def test_only_the_person_lowers_the_demand() -> None:
    assert find_required_fixes("Write documentation", FAILING) == RequiredFixes(test_ids=FAILING)
    assert find_required_fixes("Write documentation", FAILING, has_accept=True) == RequiredFixes()
    assert find_required_fixes("make test_add pass", FAILING, has_accept=True).needs_all
    assert find_required_fixes("make test_add pass", FAILING, ignore_failing=True) == RequiredFixes()


def test_a_file_that_can_be_imported_now_passes_when_all_of_it_does() -> None:
    name = "tests/test_new.py (collection)"
    assert passes(name, {"tests/test_new.py::test_a": PASSED})
    assert not passes(name, {"tests/test_new.py::test_a": PASSED, "tests/test_new.py::test_b": FAILED})
    assert not passes(name, {name: ERROR})
    assert not passes(name, {})


@pytest.mark.parametrize(
    ("paths", "pyproject", "roots", "packages"),
    [
        (["calc/__init__.py", "tests/test_a.py", "setup.py"], "", (".",), ("calc",)),
        (["src/calc/__init__.py", "src/one.py"], "", ("src", "."), ("calc", "one")),
        (["py/calc/__init__.py"], '[tool.setuptools.packages.find]\nwhere = ["py"]\n', ("py", "."), ("calc",)),
        (["lib/calc/__init__.py"], '[tool.setuptools]\npackage-dir = {"" = "lib"}\n', ("lib", "."), ("calc",)),
        (["json.py", "unittest.py", "pytest/__init__.py", "core.py"], "", (".",), ("core",)),
        (["x/__init__.py"], '[tool.setuptools.packages.find]\nwhere = ["../evil", "/etc"]\n', (".",), ("x",)),
        (["x/__init__.py"], "[[[", (".",), ("x",)),
    ],
)  # fmt: skip
def test_layout_is_read_off_the_tree(
    paths: list[str], pyproject: str, roots: tuple[str, ...], packages: tuple[str, ...]
) -> None:
    found = find_layout(paths, lambda name: pyproject.encode() if name == "pyproject.toml" else None)
    assert (found.roots, found.packages) == (roots, packages)


BASE = [
    "pkg/__init__.py",
    "pkg/test/client.py",
    "tests/test_a.py",
    "tests/data/x.json",
    "src/test_runner.py/x",
    "go.mod",
]


def protected(paths: Iterable[str], *, changed: Iterable[str] = (), **options: tuple[str, ...]) -> ProtectedPaths:
    tests = TestCommand(command="pytest", report=ReportFormat.PYTEST)
    nothing: Any = None  # neither repository nor sandbox is looked at
    testbed = TestBed(
        repository=nothing,
        sandbox=nothing,
        base=Oid(""),
        scratch=Path(),
        tests=tests,
        **options,  # type: ignore[arg-type]
    )
    return ProtectedPaths(testbed, paths, changed=changed)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("tests/test_a.py", True), ("tests/data/x.json", True), ("tests/new/deep/x", True), ("tests/test_new.py", True),
        ("conftest.py", True), ("pkg/conftest.py", True), ("pytest.ini", True), ("sub/tox.ini", True), ("x.pth", True),
        ("sitecustomize.py", True), ("evil.egg-info/entry_points.txt", True), ("pkg/a.dist-info/x", True),
        (".github/workflows/x.yml", True), (".mimo/config.yaml", True), ("poetry.lock", True), ("jest.config.ts", True),
        ("test_root.py", True), ("specs/a.js", True),
        ("pkg/test/client.py", False), ("pkg/test_support.py", False), ("pkg/core.py", False), ("README.md", False),
        ("Makefile", False), ("pyproject.toml", False), (".gitignore", False), ("docs/testing.md", False),
        ("pkg/contest.py", False), ("latest_news.txt", False),
    ],
)  # fmt: skip
def test_paths_that_judge_are_protected(path: str, expected: bool) -> None:
    assert protected(BASE).is_protected(path) is expected


def test_user_adds_and_exempts_protected_paths() -> None:
    found = protected(BASE, protected=("golden/", "*.snap", "a/**/z.txt"), unprotected=("tests/data/**", ".mimo/**"))
    assert [p for p in ("golden/x/y", "a.snap", "b/a.snap", "a/z.txt", "a/b/c/z.txt") if found.is_protected(p)] == [
        "golden/x/y", "a.snap", "a/z.txt", "a/b/c/z.txt",
    ]  # fmt: skip
    assert not found.is_protected("tests/data/x.json")
    assert found.is_protected(".mimo/config.yaml")


def test_lockfile_goes_with_its_manifest() -> None:
    assert protected(BASE).is_protected("web/package-lock.json")
    assert not protected(BASE, changed=["web/package.json"]).is_protected("web/package-lock.json")
    assert protected(BASE, changed=["package.json"]).is_protected("web/package-lock.json")


def test_files_that_the_test_command_names_are_protected() -> None:
    found = protected(
        ["run.sh", "Makefile", "ci/check.py"], accept=("sh run.sh", "make x", "python3 ci/check.py --all")
    )
    assert all(found.is_protected(path) for path in ("run.sh", "Makefile", "ci/check.py"))


OLD_TOML = '[project]\nname = "a"\n\n[tool.pytest.ini_options]\naddopts = "-q"\n\n[tool.ruff]\nline-length = 1\n'


@pytest.mark.parametrize(
    ("new", "wanted"),
    [
        (OLD_TOML.replace('"a"', '"b"'), {"name": "b", "addopts": "-q"}),
        (OLD_TOML.replace('"-q"', '"-x"'), {"name": "a", "addopts": "-q"}),
        ('[project]\nname = "c"\n', {"name": "c", "addopts": "-q"}),
        ('project.name = "d"\ntool.pytest.ini_options.addopts = "-x"\n', {"name": "a", "addopts": "-q"}),
        ('[project]\nname = "e"\n[tool]\npytest = {ini_options = {addopts = "-x"}}\n', {"name": "a", "addopts": "-q"}),
        ('[project]\nname = "f"\ndescription = """\n[tool.pytest.ini_options]\n"""\n', {"name": "a", "addopts": "-q"}),
        ('["tool"."pytest"."ini_options"]\naddopts = "-x"\n[project]\nname = "g"\n', {"name": "g", "addopts": "-q"}),
    ],
)  # fmt: skip
def test_pyproject_keeps_the_bases_test_configuration(new: str, wanted: dict[str, str]) -> None:
    merged = tomllib.loads(with_base_config("pyproject.toml", OLD_TOML.encode(), new.encode()).decode())
    found = {"name": merged["project"]["name"], "addopts": merged["tool"]["pytest"]["ini_options"]["addopts"]}
    assert found == wanted


def test_unchanged_test_configuration_leaves_every_byte() -> None:
    new = OLD_TOML.replace('"a"', '"b"  # why').encode()
    assert with_base_config("pyproject.toml", OLD_TOML.encode(), new) == new


def test_new_pyproject_brings_no_test_configuration() -> None:
    merged = tomllib.loads(with_base_config("pyproject.toml", None, OLD_TOML.encode()).decode())
    assert merged == {"project": {"name": "a"}, "tool": {"ruff": {"line-length": 1}}}


def test_setup_cfg_is_the_bases_where_its_sections_for_tests_differ() -> None:
    base = b"[metadata]\nname = a\n[tool:pytest]\naddopts = -q\n"
    renamed, loosened = base.replace(b"= a", b"= b"), base.replace(b"-q", b"-x")
    assert with_base_config("setup.cfg", base, renamed) == renamed
    assert with_base_config("setup.cfg", base, loosened) == base
    assert with_base_config("setup.cfg", base, b"not [ini") == base


def test_package_json_keeps_the_bases_test_script() -> None:
    base = {"name": "a", "scripts": {"test": "jest", "build": "tsc"}, "jest": {"x": 1}}
    new = {"name": "a", "scripts": {"test": "true", "build": "tsc -b"}, "dependencies": {"left-pad": "1"}}
    merged = json.loads(with_base_config("package.json", json.dumps(base).encode(), json.dumps(new).encode()))
    assert merged["scripts"] == {"test": "jest", "build": "tsc -b"}
    assert merged["jest"] == {"x": 1}
    assert merged["dependencies"] == {"left-pad": "1"}


@pytest.mark.parametrize(
    ("lines", "flagged"),
    [
        (["def __eq__(self, other):", "    return True"], True),
        (["def __eq__(self, other):", '    """Same."""', "    return True  # all"], True),
        (["__eq__ = lambda self, other: True"], True),
        (["public boolean equals(Object o) {", "  return true;"], True),
        (["def __eq__(self, other):", "    return self.x == other.x"], False),
        (["def is_open(self):", "    return True"], False),
        (["if 'pytest' in sys.modules:"], True),
        (["import os, sys", "os.environ['HOME']"], False),
        (["name = 'caf\u00e9'"], False),
        (["name = 'a\u200bb'"], True),
    ],
)
def test_suspicious_lines_are_flagged(lines: list[str], flagged: bool) -> None:
    added = [AddedLine(path="a.py", number=n, text=line.encode()) for n, line in enumerate(lines, start=1)]
    assert bool(list(suspicious_lines(added))) is flagged
