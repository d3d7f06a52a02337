"""The files for forges: valid by their schemas, least privilege, and their commands do what they say."""

import json
import os
import re
import subprocess
import sys
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.conftest import GitBuilder
from tests.made_session import Attempt, make_session
from tests.project import PROJECT, RIGHT, WRONG, mimo

ROOT = Path(__file__).parent.parent.parent
CI = ROOT / "hooks" / "ci"
SCHEMAS = {
    "github/action.yml": "github-actions",
    "github/check.yml": "github-workflows",
    "github/issue.yml": "github-workflows",
    "gitlab/mimo.yml": "gitlab-ci",
}


def _load(name: str) -> Any:
    return yaml.safe_load((CI / name).read_text())


def _on(workflow: dict[Any, Any]) -> Any:
    return workflow.get("on", workflow.get(True))  # YAML 1.1 reads `on` as true


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`git-mimo` from this checkout, and `gh`, which here only writes down what it was asked."""
    folder = tmp_path / "bin"
    folder.mkdir()
    programs = {
        "git-mimo": f"#!/bin/sh\nPYTHONPATH='{ROOT}' exec '{sys.executable}' -P -m gitmimo \"$@\"\n",
        "gh": '#!/bin/sh\nprintf "%s\\n" "$@" > "$RUNNER_TEMP/gh.txt"\n',
        "pip": "#!/bin/sh\nexit 0\n",
    }
    for name, text in programs.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


def _run(script: str, cwd: Path, tmp_path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    temp = tmp_path / "runner"
    temp.mkdir(exist_ok=True)
    environment = {**os.environ, "RUNNER_TEMP": str(temp), "GITHUB_OUTPUT": str(temp / "output"), **variables}
    return subprocess.run(
        ["bash", "-eo", "pipefail", "-c", script], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


def _step(job: dict[str, Any], name: str) -> dict[str, Any]:
    return next(step for step in job["steps"] if step.get("name") == name)


@pytest.fixture
def clone(git: GitBuilder, tmp_path: Path, quick_tests: None) -> GitBuilder:
    """A fresh clone of a bare remote that holds a result branch and its notes."""
    git.commit(PROJECT)
    session = make_session(git, [Attempt(steps=[{"calc.py": RIGHT}])], task="Fix add, it subtracts")
    bare = tmp_path / "remote.git"
    git("init", "--quiet", "--bare", "--initial-branch=main", str(bare))
    git("remote", "add", "origin", str(bare))
    git("push", "--quiet", "origin", "main", str(session.result_branch), "refs/notes/mimo")
    git("clone", "--quiet", str(bare), str(tmp_path / "clone"))
    made = GitBuilder(tmp_path / "clone")
    made("checkout", "--quiet", str(session.result_branch))
    return made


@pytest.mark.parametrize("name", SCHEMAS)
def test_each_file_is_valid_by_its_schema(name: str) -> None:
    where = resources.files("check_jsonschema") / "builtin_schemas" / "vendor" / f"{SCHEMAS[name]}.json"
    schema = json.loads(where.read_text())
    document = json.loads(json.dumps(_load(name)).replace('"true": ', '"on": ', 1))
    jsonschema.Draft7Validator(schema).validate(document)


def test_every_file_has_a_schema() -> None:
    assert {path.relative_to(CI).as_posix() for path in CI.rglob("*.yml")} == set(SCHEMAS)


@pytest.mark.parametrize("name", ["github/issue.yml", "github/action.yml"])
def test_no_text_of_outsiders_is_pasted_into_a_script(name: str) -> None:
    scripts = re.findall(r"run: \|?\n?((?:.|\n)*?)(?=\n +- |\Z)", (CI / name).read_text())
    assert scripts
    assert not any("${{" in script.split("env:")[0] for script in scripts)


def test_pull_requests_of_forks_meet_no_secret_and_no_write() -> None:
    workflow = _load("github/check.yml")
    assert list(_on(workflow)) == ["pull_request"]
    assert workflow["permissions"] == {"contents": "read"}
    assert "secrets." not in (CI / "github/check.yml").read_text()
    assert _load("github/check.yml")["jobs"]["check"]["steps"][0]["with"]["persist-credentials"] is False


def test_who_runs_the_agent_cannot_write_and_who_writes_runs_no_agent() -> None:
    workflow = _load("github/issue.yml")
    solve, publish = workflow["jobs"]["solve"], workflow["jobs"]["publish"]
    assert workflow["permissions"] == {}
    assert solve["permissions"] == {"contents": "read"}
    assert publish["permissions"] == {"contents": "write", "pull-requests": "write"}
    text = json.dumps(publish)
    assert "git-mimo ci" not in text
    assert "git-mimo start" not in text
    assert "secrets." not in text
    assert solve["steps"][0]["with"]["persist-credentials"] is False


def test_the_actions_command_judges_the_branch(clone: GitBuilder, tools: Path, tmp_path: Path) -> None:
    steps = {step["name"]: step for step in _load("github/action.yml")["runs"]["steps"]}
    assert _run(steps["Fetch the notes"]["run"], clone.path, tmp_path).returncode == 0
    variables = {"MIMO_BASE": "origin/main", "MIMO_HEAD": "HEAD", "MIMO_TEST": "", "MIMO_SETUP": ""}
    variables |= {"MIMO_SANDBOX": "none", "MIMO_REQUIRE_NOTE": "true"}
    done = _run(
        steps["Judge the branch"]["run"], clone.path, tmp_path, GITHUB_STEP_SUMMARY=str(tmp_path / "sum"), **variables
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "::notice title=git-mimo::passed" in done.stdout
    assert "| suite | pass |" in (tmp_path / "sum").read_text()


def test_the_actions_command_fails_on_a_broken_branch(clone: GitBuilder, tools: Path, tmp_path: Path) -> None:
    clone.commit({"calc.py": WRONG})
    steps = {step["name"]: step for step in _load("github/action.yml")["runs"]["steps"]}
    variables = {"MIMO_BASE": "origin/main", "MIMO_HEAD": "HEAD", "MIMO_TEST": "", "MIMO_SETUP": ""}
    variables |= {"MIMO_SANDBOX": "none", "MIMO_REQUIRE_NOTE": "false"}
    done = _run(steps["Judge the branch"]["run"], clone.path, tmp_path, **variables)
    assert done.returncode == 1
    assert "::error " in done.stdout


def test_gitlabs_script_writes_its_report(clone: GitBuilder, tools: Path, tmp_path: Path) -> None:
    job = _load("gitlab/mimo.yml")["mimo-check"]
    done = _run(
        "\n".join(job["script"]),
        clone.path,
        tmp_path,
        MIMO_INSTALL="git-mimo",
        MIMO_SANDBOX="none",
        CI_MERGE_REQUEST_DIFF_BASE_SHA=clone("rev-parse", "origin/main"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for name in job["artifacts"]["reports"].values():
        assert (clone.path / name).exists()


def test_publishing_pushes_one_branch_and_the_notes_and_opens_a_draft(
    git: GitBuilder, tools: Path, tmp_path: Path
) -> None:
    git.commit(PROJECT)
    bare = tmp_path / "remote.git"
    git("init", "--quiet", "--bare", "--initial-branch=main", str(bare))
    git("remote", "add", "origin", str(bare))
    git("push", "--quiet", "origin", "main")
    git("fetch", "--quiet", "origin")
    session = make_session(git, [Attempt(steps=[{"calc.py": RIGHT}])], task="Fix add, it subtracts")
    branch = str(session.result_branch)
    result = tmp_path / "runner" / "result"
    result.mkdir(parents=True)
    job = _load("github/issue.yml")["jobs"]["solve"]
    bundle = next(line for line in _step(job, "Solve")["run"].splitlines() if "git bundle" in line)
    assert _run(f'branch="{branch}"\n{bundle}', git.path, tmp_path).returncode == 0
    (result / "body.md").write_text("What was done.")
    git("clone", "--quiet", str(bare), str(tmp_path / "publisher"))
    publisher = GitBuilder(tmp_path / "publisher")
    script = _step(_load("github/issue.yml")["jobs"]["publish"], "Open a draft")["run"]
    variables = {"BRANCH": branch, "TITLE": "Fix add", "ISSUE": "7", "BASE": "main", "GH_TOKEN": "x"}
    done = _run(script, publisher.path, tmp_path, **variables)
    assert done.returncode == 0, done.stderr
    listed = git("ls-remote", str(bare)).split()
    assert f"refs/heads/{branch}" in listed
    assert "refs/notes/mimo" in listed
    assert not any(name.startswith("refs/mimo/") for name in listed)
    asked = (tmp_path / "runner" / "gh.txt").read_text().splitlines()
    assert asked[:3] == ["pr", "create", "--draft"]
    assert "Closes #7" in (result / "body.md").read_text()
    assert _run(script, publisher.path, tmp_path, **variables | {"BRANCH": "main"}).returncode == 1


def test_a_report_that_cannot_be_written_is_refused_before_anything_is_judged(git: GitBuilder) -> None:
    git.commit(PROJECT)
    refused = mimo("ci", "--base", "HEAD", "--write", "junit=no/such/dir/x.xml", cwd=git.path)
    assert refused.code == 129, refused.err
    assert "cannot write `no/such/dir/x.xml`" in refused.err
    assert "mkdir -p no/such/dir" in refused.err
