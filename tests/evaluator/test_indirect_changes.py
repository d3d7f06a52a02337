"""What acts without being called, and what demands something else, is shown; everyday files are not."""

import pytest

from gitmimo.evaluator.indirect_changes import indirect_changes, look_alike_words
from gitmimo.evaluator.protected import find_scripts
from gitmimo.evaluator.review_flags import weakened_tests

PYPROJECT = b'[project]\nname = "x"\nversion = "1"\ndependencies = ["a"]\n[tool.ruff]\nline-length = 80\n'


def found(path: str, before: bytes | None = None, after: bytes | None = b"x", *, others: tuple[str, ...] = ()) -> str:
    return "; ".join(indirect_changes([path], [path, *others], lambda _: before, lambda _: after))


@pytest.mark.parametrize(
    "path",
    [
        "setup.py", "build.rs", ".npmrc", "sub/.yarnrc.yml", "requirements/dev.txt", "requirements-dev.txt", "go.sum",
        "Dockerfile", "Dockerfile.dev", "deploy/api.dockerfile", ".pre-commit-config.yaml", ".husky/pre-push",
        ".github/workflows/x.yml", ".vscode/tasks.json", ".envrc", "config.mk", "x.pth", "sitecustomize.py",
        ".gitattributes", "AGENTS.md", "calc/aux.py", "a/name.", "a/b|c.py", "tеsts/x.py", "x" * 250,
    ],
)  # fmt: skip
def test_what_acts_or_misleads_is_named(path: str) -> None:
    assert found(path)


@pytest.mark.parametrize(
    "path",
    ["calc/core.py", "README.md", "docs/use.md", "src/index.js", "tests/test_x.py", "данные/файл.py", "docs/ü.md",
     "assets/icon.svg", "calc/auxiliary.py", "requirements.md", "makefile_parser.py"],
)  # fmt: skip
def test_everyday_files_are_not(path: str) -> None:
    assert found(path) == ""


def test_of_manifests_only_what_installs_or_runs_counts() -> None:
    assert found("pyproject.toml", PYPROJECT, PYPROJECT.replace(b"80", b"100").replace(b'"1"', b'"2"')) == ""
    assert "project.dependencies" in found("pyproject.toml", PYPROJECT, PYPROJECT.replace(b'"a"', b'"b"'))
    package = b'{"name": "x", "version": "1", "scripts": {"lint": "eslint"}}'
    assert found("package.json", package, package.replace(b'"1"', b'"2"')) == ""
    assert "scripts" in found("package.json", package, package.replace(b"eslint", b"curl x | sh"))
    assert "cannot be read" in found("package.json", package, b"{")


def test_names_that_are_one_elsewhere_are_named() -> None:
    assert "one on other systems" in found("calc/Core.py", others=("calc/core.py",))
    assert "one on other systems" in found("CALC/x.py", others=("calc/core.py",))
    assert "one on other systems" in found("caf\u00e9.py", others=("cafe\u0301.py",))
    assert found("calc/core2.py", others=("calc/core.py",)) == ""


def test_words_of_mixed_letters_are_told_from_words_of_another_language() -> None:
    assert look_alike_words("def \u0430dd(a, b):") == ("\u0430dd",)
    assert look_alike_words("# сумма двух чисел: naïve café α β Δx µs") == ()


def test_changed_and_lost_examples_are_named_and_new_ones_are_not() -> None:
    old = b'def add(a, b):\n    """Sum.\n\n    >>> add(2, 3)\n    5\n    """\n'
    more = old.replace(b"    5\n", b"    5\n    >>> add(1, 1)\n    2\n")
    for new, is_named in ((old.replace(b"5", b"-1"), True), (b"x = 1\n", True), (more, False), (None, True)):
        assert ("an example that is a test" in found("calc.py", old, new)) is is_named


def test_changed_tests_inside_rust_sources_are_named() -> None:
    old = b"fn add() {}\n#[cfg(test)]\nmod tests {\n    fn adds() { assert_eq!(1, 1); }\n}\n"
    assert "changes tests" in found("src/lib.rs", old, old.replace(b"1, 1", b"2, 2"))
    assert found("src/lib.rs", old, old.replace(b"add() {}", b"add() { work(); }")) == ""


def test_replaced_parts_of_the_standard_library_are_named() -> None:
    old = b"import json\njson.loads = print\n"
    new = old + b"import os.path as op\nfrom ssl import SSLContext\nop.join = SSLContext.wrap_socket = self.x = 1\n"
    assert found("calc.py", old, new).split("`")[1::4] == ["os.path.join", "ssl.SSLContext.wrap_socket"]
    assert found("tests/test_calc.py", old, new) == ""


def test_helper_of_tests_is_told_from_product() -> None:
    files = {
        "calc/core.py": b"from calc import numbers\n",
        "calc/numbers.py": b"def check(a):\n    assert a\n",
        "calc/testing.py": b"def assert_same(a, b):\n    assert a == b\n",
        "tests/test_core.py": b"from calc import core, numbers\nfrom calc.testing import assert_same\n",
    }
    named = list(indirect_changes(files, files, files.get, files.get))
    assert named == ["changes a helper that only tests use: `calc/testing.py`"]


def test_scripts_behind_npm_and_make_are_found() -> None:
    package = b'{"scripts": {"test": "npm run check && ./bin/more.sh", "check": "node scripts/check.js --all"}}'
    makefile = b"all: build\n\ttrue\nbuild:\n\tcc a.c\ntest: prepare\n\tpython3 tools/verify.py -v\n"
    makefile += b"prepare:\n\tsh ci/prepare.sh\n"
    files = {"package.json": package, "Makefile": makefile}
    assert find_scripts(["npm test"], files.get) == {"scripts/check.js", "bin/more.sh"}
    assert find_scripts(["make test"], files.get) == {"tools/verify.py", "ci/prepare.sh"}
    assert find_scripts(["python3 -m pytest tests"], files.get) == set()


def test_changed_tests_are_told_from_added_ones() -> None:
    old = b"import calc\n\n\ndef test_a():\n    assert calc.a() == 1\n"
    assert weakened_tests("test_x.py", old, old + b"\n\ndef test_b():\n    assert calc.b() == 2\n") == ()
    assert weakened_tests("test_x.py", old, b"import calc\nimport os\n" + old.partition(b"\n")[2]) == ()
    for new in (old.replace(b"    assert", b"    return\n    assert"), old.replace(b"== 1", b"== 2"), None):
        assert weakened_tests("test_x.py", old, new)
    assert weakened_tests("cases.json", b"[1,\n2]\n", b"[1]\n")


@pytest.mark.parametrize(
    "line",
    [
        "db.execute(f\"SELECT id FROM t WHERE name = '{n}'\")", "db.execute('delete from t where id = %s' % n)",
        "q = 'UPDATE t SET a = ' + n + ';'", "q = \"INSERT INTO t VALUES ('{}')\".format(n)",
        "subprocess.run(f'ls {n}', shell=True)", "os.system('rm ' + n)",
        "q = f'''\n  select a\n  from t where b = {n}'''",
    ],
)  # fmt: skip
def test_commands_pasted_together_are_named(line: str) -> None:
    new = f"def f(db, n):\n    {line}\n".encode()
    assert found("a.py", b"", new).count("pastes values into") == 1
    assert found("a.py", new, new + b"x = 1\n") == ""


def test_commands_with_values_apart_are_not() -> None:
    new = b"""def f(db, n):
    db.execute("SELECT a FROM t WHERE n = ?", (n,))
    db.execute("SELECT a" + " FROM t")
    subprocess.run(["ls", f"{n}"], shell=False)
    log(f"select one of {n}")
"""
    assert found("a.py", b"", new) == ""


def test_parameters_that_lose_their_effect_are_named() -> None:
    old = b"def f(a, limit=3):\n    return g(a, limit)\n\n\nclass C:\n    def h(self, b, c):\n        return b\n"
    new = old.replace(b"g(a, limit)", b"g(a)").replace(b"return b", b"return c")
    lost = "no longer uses the parameter `b` of `C.h`: `a.py`; no longer uses the parameter `limit` of `f`: `a.py`"
    assert found("a.py", old, new) == lost
    assert found("a.py", old, old.replace(b"limit", b"most")) == ""
    assert found("a.py", old, b"@overload\ndef f(a, limit: int): ...\n\n\n" + old) == ""
