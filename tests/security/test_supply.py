"""The ranges keep denied releases out, and a path file that runs code is found."""

import tomllib
from pathlib import Path

from tests.security.supply import excluded_releases, path_file_problems

ROOT = Path(__file__).parent.parent.parent
PYPROJECT = (ROOT / "pyproject.toml").read_text()


def test_the_poisoned_releases_are_excluded_by_range() -> None:
    denied = excluded_releases(PYPROJECT)
    assert {("litellm", "1.82.7"), ("litellm", "1.82.8")} <= denied


def test_every_requirement_has_a_lower_bound_or_is_a_checker_s() -> None:
    project = tomllib.loads(PYPROJECT)["project"]
    for requirement in project["dependencies"]:
        assert ">=" in requirement, requirement
    llm = next(requirement for requirement in project["dependencies"] if requirement.startswith("litellm"))
    assert "<2" in llm


def test_a_path_file_that_runs_code_is_named(tmp_path: Path) -> None:
    (tmp_path / "plain.pth").write_text("/somewhere\n")
    (tmp_path / "evil.pth").write_text("/somewhere\nimport os; os.system('true')\n")
    assert list(path_file_problems(tmp_path)) == ["runs code at every start: evil.pth"]
