"""Parameterised changes: a script is proposed only where a rule explains every change, and its task is exact."""

import os
import subprocess
from collections.abc import Mapping

import pytest

from gitmimo.git.repository import Repository
from gitmimo.memory.change_script import write_change_script
from gitmimo.memory.changes import read_changes
from gitmimo.memory.commands import distil_operation, is_readonly_command
from gitmimo.memory.templates import find_template, match_template, other_values, put_names
from tests.conftest import GitBuilder
from tests.memory.test_offers import steps


@pytest.mark.parametrize(
    ("task", "values"),
    [
        ("Bump the version to 1.7.0", {"VERSION": "1.7.0"}),
        ("bump  the version to `2.0.0`.", None),
        ("bump the version to 2.0.0.", {"VERSION": "2.0.0"}),
        ("Bump the version to 1.7.0 for admins only", None),
        ("Bump the minor version to 1.7.0", None),
        ("Bump the version to", None),
        ("Bump the version to $(rm -rf x)", None),
        ("Bump the version to 1.7.0; and 1.8.0", None),
        ("Do not bump the version to 1.7.0", None),
        ("Bump the versions to 1.7.0", None),
    ],
)
def test_a_task_matches_only_where_it_says_the_same_but_for_the_values(
    task: str, values: Mapping[str, str] | None
) -> None:
    template = find_template(["Bump the version to 1.5.0", "bump the version to 1.6.0"])
    assert template is not None
    assert template.text == "Bump the version to {VERSION}"
    assert match_template(template.text, task) == values


@pytest.mark.parametrize(
    "tasks",
    [
        ["only one"],
        ["fix add", "fix sub"],
        ["add the flag --dry to list", "add a flag --wet to list now"],
        ["rename a", "delete b"],
    ],
)
def test_tasks_that_differ_in_more_than_values_have_no_template(tasks: list[str]) -> None:
    assert find_template(tasks) is None


def test_one_value_that_comes_twice_has_one_name() -> None:
    template = find_template(["rename old_a to new_a and keep old_a", "rename x_b to y_b and keep x_b"])
    assert template is not None
    assert match_template(template.text, "rename p to q and keep p") is not None
    assert match_template(template.text, "rename p to q and keep r") is None


def scripted(git: GitBuilder, count: int) -> str | None:
    repository = Repository.discover(git.path)
    changes = read_changes(repository, "HEAD")[:count]
    template = find_template([change.subject for change in changes])
    return write_change_script(repository, changes, template) if template else None


def run(git: GitBuilder, script: str, **values: str) -> int:
    done = subprocess.run(["sh", "-c", script], cwd=git.path, env={**os.environ, **values}, check=False)
    return done.returncode


def test_a_version_bump_with_a_changelog_is_done_again_with_any_value(git: GitBuilder) -> None:
    log = "# Changes\n\n## 1.4.0\n\n- begin\n"
    git.commit({"setup.cfg": "[m]\nversion = 1.4.0\n", "a.py": 'V = "1.4.0"\n', "CHANGES.md": log})
    for version in ("1.5.0", "1.6.0"):
        log = log.replace("# Changes\n\n", f"# Changes\n\n## {version}\n\n- release\n\n")
        files = {"setup.cfg": f"[m]\nversion = {version}\n", "a.py": f'V = "{version}"\n', "CHANGES.md": log}
        git.commit(files, f"Release {version}")
    assert scripted(git, 2) is None, "one word besides the value says too little"
    for version in ("1.7.0", "1.8.0"):
        log = log.replace("# Changes\n\n", f"# Changes\n\n## {version}\n\n- release\n\n")
        files = {"setup.cfg": f"[m]\nversion = {version}\n", "a.py": f'V = "{version}"\n', "CHANGES.md": log}
        git.commit(files, f"Release the version {version}")
    script = scripted(git, 2)
    assert script is not None
    assert script.startswith("# Release the version {VERSION}\nset -eu\n")
    odd = "9.0/a&b'\"$HOME\\1"
    assert run(git, script, VERSION=odd) == 0
    assert (git.path / "setup.cfg").read_text() == f"[m]\nversion = {odd}\n"
    assert (git.path / "a.py").read_text() == f'V = "{odd}"\n'
    assert (git.path / "CHANGES.md").read_text().startswith(f"# Changes\n\n## {odd}\n\n- release\n\n## 1.8.0\n")
    (git.path / "a.py").write_text("nothing of the kind\n")
    assert run(git, script, VERSION="2") == 3, "what it looks for is gone: it says so"


def test_a_rename_leaves_no_hit_anywhere(git: GitBuilder) -> None:
    git.commit({"a.py": "def one(): pass\none()\n", "b.toml": "one = 1\nonerous = 2\n", "c.md": "two\n"})
    git.commit({"a.py": "def uno(): pass\nuno()\n", "b.toml": "uno = 1\nonerous = 2\n"}, "Rename the name one to uno")
    git.commit({"c.md": "zwei\n"}, "Rename the name two to zwei")
    script = scripted(git, 2)
    assert script is not None
    git.commit({"deep/d.txt": "uno uno_2 (uno)\n"})
    assert run(git, script, NAME="uno", NAME_2="ein") == 0
    assert git("grep", "-w", "ein", "--", ".").count("ein") == 5
    assert (git.path / "deep/d.txt").read_text() == "ein uno_2 (ein)\n"
    assert subprocess.run(["git", "grep", "-qw", "uno"], cwd=git.path, check=False).returncode == 1


def test_changes_that_no_rule_explains_have_no_script(git: GitBuilder) -> None:
    git.commit({"a.py": "x = 1\n", "b.py": "y = 1\n"})
    git.commit({"a.py": "x = compute(5)\n"}, "Set the value to 5")
    git.commit({"a.py": "x = other(6)\n"}, "Set the value to 6")
    assert scripted(git, 2) is None
    git.commit({"a.py": "x = 7\n", "new.py": "7\n"}, "Put the number in 7")
    git.commit({"a.py": "x = 8\n", "new.py": "8\n"}, "Put the number in 8")
    assert scripted(git, 2) is None


def test_names_stand_for_whole_words_only() -> None:
    values = {"PORT": "80", "NAME": "shelf"}
    assert put_names("run shelf 80 8080 shelf-x 1.80", values, form="${%s}") == "run ${NAME} ${PORT} 8080 shelf-x 1.80"
    assert other_values({"A": "1.5.9", "B": "name", "C": "v009"}) == {"A": "1.5.10", "B": "namee", "C": "v010"}


@pytest.mark.parametrize(
    ("command", "looks"),
    [
        ("ls -la && cat a | head", True),
        ("cat a > b", False),
        ("echo done 2>/dev/null", True),
        ("echo line >> log.md", False),
        ("sleep 1; curl -sf http://127.0.0.1/", False),
        ("cd x && pytest -q", True),
        ("make build", False),
    ],
)
def test_what_only_looks_is_no_part_of_an_operation(command: str, looks: bool) -> None:
    assert is_readonly_command(command) is looks


def test_an_operation_keeps_what_worked_once_and_names_the_task_s_values() -> None:
    done = steps(
        ("ls", 0), ("sh go.sh 8123", 127), ("make build", 0), ("cd x && export A=1\nrun 8123", 0), ("make build", 0),
        ("curl -sf http://127.0.0.1:8123/health", 0),
    )  # fmt: skip
    accept = "curl -sf http://127.0.0.1:8123/health"
    found = distil_operation(done, task="Serve it on port 8123", accept=[accept])
    assert found is not None
    assert found.values == {"PORT": "8123"}
    assert found.script == (
        '# Serve it on port {PORT}\nset -eu\n: "${PORT:?}"\n(\ncd x && export A=1\nrun ${PORT}\n)\nmake build\n'
    )
    assert found.accept == ("curl -sf http://127.0.0.1:${PORT}/health",)
    assert distil_operation(steps(("ls", 0), ("make", 2)), task="x", accept=["true"]) is None
