"""Hooks that meet each other, projects that are named like us, and configurations that a clone brings."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gitmimo.git.repository import Repository
from gitmimo.hooks import install_hooks
from tests.conftest import CHECK, GitBuilder
from tests.project import PROJECT, fingerprint, mimo
from tests.security.conftest import MEND, Session, runs

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def hooks(project: GitBuilder, tmp_path: Path) -> Path:
    """Our hooks in the project, under a program that counts how often it is started; returns the count's file."""
    log = tmp_path / "log"
    program = tmp_path / "bin/git-mimo"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\necho "$(pwd -P) $*" >> {log}\nPYTHONPATH={ROOT} exec {sys.executable} -P -m gitmimo "$@"\n'
    )
    program.chmod(0o755)
    install_hooks(Repository.discover(project.path), command=(str(program),))
    return log


@pytest.mark.usefixtures("quick_tests")
def test_our_merge_fires_its_hook_once_and_in_the_right_repository(
    project: GitBuilder, session: Session, hooks: Path
) -> None:
    outcome = session({"a": runs(MEND)}, "--merge")
    assert outcome.result["merged"] is True, outcome.said.err
    started = hooks.read_text().splitlines() if hooks.exists() else []
    assert len([line for line in started if "post-merge" in line]) <= 1
    assert all(line.startswith(f"{project.path.resolve()} ") for line in started), started
    project("merge", "--quiet", "--no-ff", "-m", "m", project("commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", "x"))
    assert "post-merge" in hooks.read_text()  # the control: the hook is there


def test_a_hook_s_variables_lead_to_its_repository_only(project: GitBuilder, hooks: Path, tmp_path: Path) -> None:
    """`commit -a` gives hooks a temporary index; a `GIT_DIR` of another repository is not what gets changed."""
    other = GitBuilder(tmp_path / "other")
    other.commit({"a": "1\n"})
    before = fingerprint(other)()
    project.write({"calc.py": "x = 1\n"})
    project("commit", "--quiet", "--all", "-m", "with a temporary index")
    assert project("status", "--porcelain") == ""
    env = {"GIT_DIR": str(project.path / ".git"), "GIT_INDEX_FILE": str(project.path / ".git/index")}
    message = tmp_path / "message"
    message.write_text("text\n")
    said = mimo("hook", "commit-msg", str(message), cwd=other.path, env=env)
    assert said.code == 0, said.err
    assert fingerprint(other)() == before


def test_a_project_that_is_named_like_us_is_not_what_runs(project: GitBuilder, session: Session, marker: Path) -> None:
    trap = f"open({str(marker)!r}, 'w').close()\n"
    names = ("gitmimo/__init__.py", "gitmimo/__main__.py", "git_mimo/__init__.py", "click.py", "pygit2.py")
    project.commit(dict.fromkeys(names, trap))
    for words in (["status"], ["hook", "post-merge", "0"]):
        command = [sys.executable, "-P", "-m", "gitmimo", *words]
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, cwd=project.path, env=env, capture_output=True, text=True, check=False)
        assert "Traceback" not in done.stderr
    assert not marker.exists()
    start = [sys.executable, "-P", "-m", "gitmimo", "start", "--detach", "--task", "x", "--model", "openai/m"]
    subprocess.run(start, cwd=project.path, env=env, capture_output=True, check=False, timeout=120)
    assert not marker.exists()  # the process of its own that a detached session is
    control = [sys.executable, "-m", "gitmimo", "status"]
    subprocess.run(control, cwd=project.path, env={**os.environ, "PYTHONPATH": ""}, capture_output=True, check=False)
    assert marker.exists()


def test_a_project_s_modules_do_not_stand_in_for_ours(project: GitBuilder, marker: Path) -> None:
    """Also with `python -m gitmimo`, which looks where it is started, as long as the project has no `gitmimo`."""
    project.commit({"click.py": f"open({str(marker)!r}, 'w').close()\n"})
    done = subprocess.run(
        [sys.executable, "-m", "gitmimo", "--version"], cwd=project.path, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not marker.exists()
    subprocess.run([sys.executable, "-c", "import click"], cwd=project.path, check=True)  # the control
    assert marker.exists()


def test_nothing_of_a_fresh_clone_runs_before_trust(project: GitBuilder, session: Session, marker: Path) -> None:
    hostile = f"test: touch {marker}; {CHECK}\nsetup: touch {marker}\naccept: ['touch {marker}']\n"
    project.commit({".mimo/config.yaml": hostile})
    start = ("start", "--task", "mend add", "--model", "openai/m", "--sandbox", "none")
    for words in (start, ("status",), ("doctor",), ("trust",), ("ci", "check"), ("list",), ("config", "list")):
        mimo(*words, cwd=project.path)
        assert not marker.exists(), words
    assert mimo(*start, cwd=project.path).code == 2
    assert mimo("trust", "--yes", cwd=project.path).code == 0
    outcome = session({"a": runs(MEND)}, "--sandbox", "none")
    assert outcome.result["winner"] == 1
    assert marker.exists()  # the control: after trust they run
    marker.unlink()
    project.commit({".mimo/config.yaml": hostile.replace("touch", "touch  ", 1)})
    assert mimo(*start, cwd=project.path).code == 2
    assert not marker.exists()


PERSONAL = [
    "sandbox: none", "merge: true", "baseUrl: http://127.0.0.1:9/v1", "model: openai/other", "budget: 1000",
    "sandbox: {network: true}", "maxTokens: 999999999",
]  # fmt: skip
TRICKS = [
    "test: !!python/object/apply:os.system ['touch pwned']\n", "a: &a [x]\nb: [*a, *a]\n", "test: a\ntest: b\n", "[]\n",
]  # fmt: skip


def test_what_belongs_to_the_person_cannot_be_set_by_a_repository(git: GitBuilder) -> None:
    for line in PERSONAL:
        git.commit({**PROJECT, ".mimo/config.yaml": f"{line}\n"})
        said = mimo("config", "list", cwd=git.path)
        assert said.code == 128, line
        assert "belongs to the person" in said.err, line


def test_a_configuration_with_tricks_is_refused(git: GitBuilder) -> None:
    for text in TRICKS:
        git.commit({**PROJECT, ".mimo/config.yaml": text})
        said = mimo("config", "list", cwd=git.path)
        assert said.code == 128, text
        assert "Traceback" not in said.err, text
    assert not (git.path / "pwned").exists()
