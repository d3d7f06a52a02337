"""Small edits: every kind can be made, and a search finds what fixes a project without writing to it."""

import ast
import os
import sys
from pathlib import Path

import pytest

from gitmimo.agent.patch.localize import Spectrum
from gitmimo.agent.patch.operators import apply, edits_of
from gitmimo.agent.patch.probes import search_edits, trace_tests
from tests.agent.workshop import RealWorkspace

COMMAND = (
    f"PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 PYTHONDONTWRITEBYTECODE=1 {sys.executable} -m pytest -q -p no:cacheprovider"
)


def function(body: str, head: str = "a, b") -> str:
    lines = "\n".join(f"    {line}" for line in body.split("\n"))
    return f"def f({head}):\n{lines}\n"


@pytest.mark.parametrize(
    ("body", "fixed"),
    [
        ("if a < b:  # keep this\n    return b", "if a <= b:  # keep this\n    return b"),
        ("return a == b", "return a != b"),
        ("return a in b", "return a not in b"),
        ("return a + b", "return a - b"),
        ("return (a) // (b)", "return (a) / (b)"),
        ("return a - b", "return b - a"),
        ("a += b\nreturn a", "a -= b\nreturn a"),
        ("return a[1]", "return a[0]"),
        ("return range(a)", "return range(a + 1)"),
        ("return range(a)", "return range(1, a)"),
        ("return a[b]", "return a[b - 1]"),
        ("return a[:b]", "return a[:b + 1]"),
        ("return a[1:]", "return a[0:]"),
        ("return a and b", "return a or b"),
        ("return not a", "return a"),
        ("while a:\n    b()", "while not (a):\n    b()"),
        ("return min(a, b)", "return max(a, b)"),
        ("a.append(b)", "a.extend(b)"),
        ("return a.lstrip('x')", "return a.rstrip('x')"),
        ("return pow(a, b)", "return pow(b, a)"),
        ("return sorted(a)", "return sorted(a, reverse=True)"),
        ("return a", "return list(a)"),
        ("return a", "return b"),
        ("for x in a:\n    b()\n    break", "for x in a:\n    b()\n    continue"),
        ("for x in a:\n    b()\n    return x", "for x in a:\n    b()\nreturn x"),
        ("return a", "if not a:\n    return 0\nreturn a"),
        ("a.sort()\nreturn a", "a = list(a)\na.sort()\nreturn a"),
        ("return a / b", "return (a / b if b else 0)"),
        ("return 'ä' + a < b", "return 'ä' + a <= b"),
    ],
)
def test_each_kind_of_mistake_has_its_edit(body: str, fixed: str) -> None:
    source, wanted = function(body), function(fixed)
    made = [apply(source, edit) for edit in edits_of("f.py", source, set(range(1, 9)))]
    assert wanted in made
    assert len(made) == len(set(made))
    assert source not in made
    for text in made:
        ast.parse(text)


def test_a_shared_default_is_made_anew() -> None:
    source = 'def f(a, b=[]):\n    """Adds."""\n    b.append(a)\n    return b\n'
    made = [apply(source, edit) for edit in edits_of("f.py", source, {3})]
    assert made[0] == (
        'def f(a, b=None):\n    """Adds."""\n    if b is None:\n        b = []\n    b.append(a)\n    return b\n'
    )


def test_only_lines_in_question_are_touched() -> None:
    source = "def f(a):\n    return a < 1\n\n\ndef g(a):\n    return a < 1\n"
    assert {edit.line for edit in edits_of("f.py", source, {6})} == {6}
    assert edits_of("f.py", source, set()) == ()
    assert edits_of("f.py", "def f(:\n", {1}) == ()


CODE = '''"""Counts down."""


def steps(start, end):
    """Numbers from start down to end, both included."""
    found = []
    while start > end:
        found.append(start)
        start = start - 1
    return found
'''
TESTS = """from pkg.down import steps


def test_one():
    assert steps(1, 2) == []


def test_down():
    assert steps(3, 1) == [3, 2, 1]
"""


def project(root: Path, **files: str) -> RealWorkspace:
    for name, text in {"pkg/__init__.py": "", "pkg/down.py": CODE, "tests/test_down.py": TESTS, **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return RealWorkspace(root)


def traced(workspace: RealWorkspace) -> Spectrum:
    spectrum = trace_tests(workspace, COMMAND)
    assert spectrum is not None
    return spectrum


def files_of(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


# loads the package, and prints what looks like a report
CONFTEST = (
    "import pytest\n\nimport pkg.down\n\n\n@pytest.fixture(autouse=True)\ndef noise():\n    print('@@git-mimo@@{')\n"
)


def test_the_edit_that_fixes_it_is_found_and_nothing_is_written(tmp_path: Path) -> None:
    workspace = project(tmp_path, **{"conftest.py": CONFTEST})
    spectrum, before = traced(workspace), files_of(tmp_path)
    search = search_edits(workspace, COMMAND, spectrum, seconds=300.0)
    assert search.tried > 50  # among them `while start < end` and others that never end
    assert "`>=` for `>`" in [edit.what for edit in search.passing]
    assert search.passing[0].what == "`>=` for `>`"
    assert files_of(tmp_path) == before
    (tmp_path / "pkg/down.py").write_text(apply(CODE, search.passing[-1]))
    assert workspace.run(COMMAND).exit_code == 0, search.passing[-1].what


def test_no_process_is_left_of_edits_that_never_end(tmp_path: Path) -> None:
    workspace = project(tmp_path)
    mark = f"MARK{os.getpid()}"
    command = f"{mark}=1 {COMMAND}"
    search_edits(workspace, command, traced(workspace), seconds=3.0)
    environs = [path for path in Path("/proc").glob("[0-9]*/environ") if os.access(path, os.R_OK)]
    assert not [path for path in environs if mark.encode() in _read(path)]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_a_suite_that_breaks_besides_is_left_alone(tmp_path: Path) -> None:
    workspace = project(tmp_path)
    spectrum = traced(workspace)
    (tmp_path / "tests/test_broken.py").write_text("import nothing_of_this_name\n")
    # only files with tests that were traced are run
    assert search_edits(workspace, COMMAND, spectrum, seconds=1.0).tried > 0
    (tmp_path / "conftest.py").write_text("import nothing_of_this_name\n")
    assert search_edits(workspace, COMMAND, spectrum).tried == 0
    assert search_edits(workspace, "make test", spectrum).tried == 0
