"""Right changes of unusual shape: no gate rejects any of them."""

from collections.abc import Callable, Mapping

import pytest

from gitmimo.evaluator.review_flags import needs_review
from gitmimo.evaluator.testbed import TestBed
from tests.conftest import GitBuilder
from tests.evaluator.conftest import CALC, RIGHT, TESTS, Judge, measured

Files = Mapping[str, str | bytes | None]

PYPROJECT = """\
[build-system]
requires = ["setuptools"]

[project]
name = "calc"
version = "1"
dependencies = []

[tool.pytest.ini_options]
addopts = "-q"

[tool.ruff]
line-length = 100
"""
CONFTEST = "import json\nfrom pathlib import Path\n\nimport pytest\n\n\n@pytest.fixture\ndef pairs():\n" + (
    '    return json.loads((Path(__file__).parent / "data" / "pairs.json").read_text())\n'
)
PROJECT: Files = {
    "calc/__init__.py": "",
    "calc/core.py": CALC,
    "calc/shapes.py": "from calc.core import double\n\n\ndef square(a):\n    return a * a\n\n\ndef twice(a):\n"
    "    return double(a)\n",
    "tests/conftest.py": CONFTEST,
    "tests/data/pairs.json": "[[1, 2], [4, 8]]\n",
    "tests/test_core.py": TESTS,
    "tests/test_shapes.py": "from calc.core import double\n\n\ndef test_pairs(pairs):\n"
    "    assert all(double(a) == b for a, b in pairs)\n",
    "pyproject.toml": PYPROJECT,
    "poetry.lock": "# none\n",
    ".github/workflows/ci.yml": "on: push\n",
    "README.md": "# calc\n",
    "Makefile": "test:\n\tpytest\n",
    "scripts/run.sh": "#!/bin/sh\nexec python -m calc\n",
}
NEW_TEST = "from calc.core import add\n\n\ndef test_negative():\n    assert add(-1, -1) == -2\n"

HONEST: dict[str, Files] = {
    "new test file": {"tests/test_more.py": NEW_TEST},
    "new test in a new directory": {"calc/tests/__init__.py": "", "calc/tests/test_more.py": NEW_TEST},
    "test added to a file": {"tests/test_core.py": f"{TESTS}\n\ndef test_zero():\n    assert add(0, 0) == 0\n"},
    "fixture added to conftest": {
        "tests/conftest.py": CONFTEST + "\n\n@pytest.fixture\ndef three():\n    return 3\n",
        "tests/test_three.py":
            "from calc.core import add\n\n\ndef test_three(three):\n    assert add(1, 2) == three\n"},
    "changed fixture data": {"tests/data/pairs.json": "[[1, 2], [4, 8], [5, 10]]\n"},
    "changed and extended data for a new feature": {
        "tests/data/more.json": "[]\n", "tests/data/pairs.json": '[["a", "aa"]]\n'},
    "renamed module": {
        "calc/shapes.py": None, "calc/figures.py": PROJECT["calc/shapes.py"],
        "calc/__init__.py": "from calc import figures\n"},
    "module that becomes a package": {
        "calc/core.py": None, "calc/core/__init__.py": "from calc.core.numbers import add, double\n",
        "calc/core/numbers.py": RIGHT},
    "move to src layout": {
        "calc/__init__.py": None, "calc/core.py": None, "calc/shapes.py": None, "src/calc/__init__.py": "",
        "src/calc/core.py": RIGHT, "src/calc/shapes.py": PROJECT["calc/shapes.py"],
        "pyproject.toml": PYPROJECT + '\n[tool.setuptools.packages.find]\nwhere = ["src"]\n'},
    "dependency added": {
        "pyproject.toml": PYPROJECT.replace("dependencies = []", 'dependencies = ["click>=8"]'),
        "poetry.lock": "# click\n"},
    "test option added with a dependency": {
        "pyproject.toml": PYPROJECT.replace('addopts = "-q"', 'addopts = "-q"\nmarkers = ["slow: takes long"]').replace(
            "dependencies = []", 'dependencies = ["click>=8"]')},
    "new package with the name of a test helper": {
        "calc/testing.py": "def check(a):\n    return a\n", "calc/test_support.py": "VALUE = 1\n",
        "calc/__init__.py": "from calc.test_support import VALUE\nfrom calc.testing import check\n"},
    "new package with the name of an installed one": {
        "pluggy/__init__.py": "", "iniconfig.py": "", "calc/__init__.py": "import iniconfig\n"},
    "second package": {"extra/__init__.py": "from calc.core import add\n", "extra/deep/__init__.py": ""},
    "documents and workflow": {
        "README.md": "# calc\n\nadds\n", "docs/use.md": "x\n", ".github/workflows/ci.yml": "on: pull_request\n"},
    "makefile and script": {
        "Makefile": "test:\n\tpytest -q\nlint:\n\truff check\n", "scripts/run.sh": "#!/bin/sh\nexit 0\n"},
    "names with blanks, quotes and other letters": {
        "docs/a b.md": "x\n", "docs/ü'\".md": "x\n", "docs/-dash.md": "x\n"},
    "binary file": {"calc/table.bin": bytes(range(256)) * 100},
    "removed code": {"calc/shapes.py": None, "scripts/run.sh": None},
    "equality of its own": {
        "calc/point.py": "class Point:\n    def __init__(self, x):\n        self.x = x\n\n"
        "    def __eq__(self, other):\n        if self is other:\n            return True\n"
        "        return isinstance(other, Point) and self.x == other.x\n"},
    "text about conflicts": {"docs/git.rst": "Title\n=======\n\n<<<<<<< is how a conflict begins\n"},
    "windows line ends": {"calc/core.py": RIGHT.replace("\n", "\r\n")},
    "configuration of pytest moved": {
        "pyproject.toml": PYPROJECT.replace('[tool.pytest.ini_options]\naddopts = "-q"\n', ""),
        "pytest.ini": "[pytest]\naddopts = -q\n"},
}  # fmt: skip


@pytest.fixture
def honest_judge(git: GitBuilder, make_bench: Callable[..., TestBed]) -> Judge:
    return measured(git, make_bench(PROJECT))


def together(changes: Mapping[str, Files]) -> list[tuple[Files, list[str]]]:
    """Products that hold several of the changes each, as long as no two touch the same file; and their names."""
    products: list[tuple[dict[str, str | bytes | None], list[str]]] = []
    for name, files in changes.items():
        for product, names in products:
            if not product.keys() & files.keys():
                product.update(files)
                names.append(name)
                break
        else:
            products.append((dict(files), [name]))
    return [(product, names) for product, names in products]


@pytest.mark.parametrize(("files", "names"), together(HONEST), ids=lambda given: None)
def test_honest_candidate_is_not_rejected(honest_judge: Judge, files: Files, names: list[str]) -> None:
    evidence = honest_judge({"calc/core.py": RIGHT, **files})
    assert evidence.passed, (names, evidence.failed_gates)
    assert evidence.fixed_ids == ("tests/test_core.py::test_add",)


def test_everyday_changes_need_no_person(honest_judge: Judge) -> None:
    everyday = ("new test file", "test added to a file", "fixture added to conftest")
    files = {path: text for name in everyday for path, text in HONEST[name].items()}
    evidence = honest_judge({"calc/core.py": RIGHT, **files})
    assert needs_review(evidence.flags) == ()
    assert (evidence.new_tests_passed, len(evidence.proving_tests)) == (3, 2), "0 - 0 is 0 on base too"
