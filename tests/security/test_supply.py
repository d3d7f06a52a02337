"""The lock file and the ranges: denied releases stay out, everything has a hash, nothing runs by itself."""

import sysconfig
import tomllib
from pathlib import Path

import pytest

from tests.security.supply import excluded_releases, lock_problems, path_file_problems

ROOT = Path(__file__).parent.parent.parent
LOCK = (ROOT / "requirements.lock").read_text()
PYPROJECT = (ROOT / "pyproject.toml").read_text()
HASH = "--hash=sha256:" + "0" * 64


def test_the_poisoned_releases_are_excluded_by_range() -> None:
    denied = excluded_releases(PYPROJECT)
    assert {("litellm", "1.82.7"), ("litellm", "1.82.8")} <= denied


def test_every_requirement_has_a_lower_bound_or_is_a_checker_s() -> None:
    project = tomllib.loads(PYPROJECT)["project"]
    for requirement in project["dependencies"]:
        assert ">=" in requirement, requirement
    llm = next(requirement for requirement in project["dependencies"] if requirement.startswith("litellm"))
    assert "<2" in llm


def test_the_lock_file_is_in_order() -> None:
    assert list(lock_problems(LOCK, PYPROJECT)) == []
    for name in ("litellm", "click", "pygit2", "pytest", "ruff", "xllamacpp", "detect-secrets"):
        assert f"\n{name}==" in LOCK


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (f"litellm==1.82.8 \\\n    {HASH}", "a denied release: litellm 1.82.8"),
        (f"LiteLLM==1.82.7 {HASH}", "a denied release: LiteLLM 1.82.7"),
        (f"litellm>=1.60 {HASH}", "not one exact release: litellm>=1.60"),
        ("click==8.1.7", "no hash: click"),
        ("click==8.1.7 --hash=md5:abc", "no hash: click"),
        ("--index-url https://packages.example/simple", "a place instead of a release: --index-url"),
        (f"click @ file:///tmp/click.whl {HASH}", "a place instead of a release: click"),
    ],
)
def test_a_bad_line_is_named(line: str, problem: str) -> None:
    assert list(lock_problems(f"{LOCK}\n{line}\n", PYPROJECT)) == [problem]


def test_a_path_file_that_runs_code_is_named(tmp_path: Path) -> None:
    (tmp_path / "plain.pth").write_text("/somewhere\n")
    (tmp_path / "evil.pth").write_text("/somewhere\nimport os; os.system('true')\n")
    assert list(path_file_problems(tmp_path)) == ["runs code at every start: evil.pth"]


def test_no_installed_package_runs_code_at_every_start() -> None:
    assert list(path_file_problems(Path(sysconfig.get_paths()["purelib"]))) == []
