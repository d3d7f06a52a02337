"""What is released and how: the wheel holds everything, the forge's files are valid, the workflow can do little."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from gitmimo import __version__

ROOT = Path(__file__).parent.parent
SCHEMAS = {
    "workflows/ci.yml": "github-workflows",
    "workflows/release.yml": "github-workflows",
    "ISSUE_TEMPLATE/config.yml": "github-issue-config",
    "ISSUE_TEMPLATE/bug.yml": "github-issue-forms",
    "ISSUE_TEMPLATE/enhancement.yml": "github-issue-forms",
    "ISSUE_TEMPLATE/verdict.yml": "github-issue-forms",
}
SHARED = {"share/man/man1/git-mimo.1"}
BUILD = "import sys; from hatchling import build as b; print(getattr(b, sys.argv[1])(sys.argv[2]))"
# what a shell or a workflow would take from a package index by our name, which is not ours there
FROM_AN_INDEX = re.compile(
    r"(?:\b(?:pip|pipx|uv)\b[^\n`#]*\b(?:install|add)\b|MIMO_INSTALL:)[^\n`#]*?"
    r"""(?<![\w./-])['"]?git-mimo(?:\[[\w,]+\])?['"]?(?!s\b)(?=\s*(?:$|[`")&|;]|'(?!s)))"""
)


def _load(name: str) -> Any:
    return yaml.safe_load((ROOT / ".github" / name).read_text())


@pytest.mark.parametrize("name", SCHEMAS)
def test_each_file_of_the_forge_is_valid_by_its_schema(name: str) -> None:
    vendored = resources.files("check_jsonschema") / "builtin_schemas" / "vendor"
    schema = json.loads((vendored / f"{SCHEMAS[name]}.json").read_text())
    document = json.loads(json.dumps(_load(name)).replace('"true": ', '"on": ', 1))  # YAML 1.1 reads `on` as true
    jsonschema.validators.validator_for(schema)(schema).validate(document)


def test_actions_are_pinned_to_commits() -> None:
    files = [*(ROOT / ".github/workflows").glob("*.yml"), *(ROOT / "hooks/ci").rglob("*.yml")]
    used = [
        line.split("uses:")[1].strip() for path in files for line in path.read_text().splitlines() if "uses:" in line
    ]
    assert used
    loose = [name for name in used if not re.search(r"@([0-9a-f]{40} # v\d|COMMIT$)", name)]
    assert loose == []


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("pip install git-mimo", True),
        ('pip install "git-mimo[local]"', True),
        ("uv tool install git-mimo", True),
        ("    MIMO_INSTALL: git-mimo", True),
        ("pipx install 'git-mimo[local] @ git+https://github.com/OWNER/git-mimo@v0.1.0'", False),
        ("pip install -e '.[local]'", False),
        ("    - name: Install git-mimo from its source", False),
    ],
)
def test_an_installation_by_name_is_recognised(line: str, found: bool) -> None:
    assert bool(FROM_AN_INDEX.search(line)) == found


def test_nothing_installs_git_mimo_by_its_name_alone() -> None:
    """Whoever registers the name on a package index would run code beside the keys of our users."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    wanted = (".md", ".yml", ".yaml", ".py", ".toml", ".sh", ".1")
    said = [
        f"{name}: {line.strip()}"
        for name in listed.split("\0")
        if name.endswith(wanted) and (ROOT / name).is_file() and name != "tests/test_release.py"
        for line in (ROOT / name).read_text(encoding="utf-8").splitlines()
        if FROM_AN_INDEX.search(line)
    ]
    assert said == []


def test_every_file_of_the_forge_is_looked_at() -> None:
    found = {path.relative_to(ROOT / ".github").as_posix() for path in (ROOT / ".github").rglob("*.yml")}
    assert found == set(SCHEMAS)


def test_the_release_is_a_draft_and_who_builds_cannot_write() -> None:
    jobs = _load("workflows/release.yml")["jobs"]
    assert _load("workflows/release.yml")["permissions"] == {}
    assert jobs["build"]["permissions"] == {"contents": "read"}
    assert "--draft" in jobs["draft"]["steps"][-1]["run"]
    for job in jobs.values():
        assert not any("${{" in step.get("run", "") for step in job["steps"])


def test_the_tag_must_be_the_version(tmp_path: Path) -> None:
    steps = _load("workflows/release.yml")["jobs"]["build"]["steps"]
    script = next(step["run"] for step in steps if step.get("name") == "The tag is the version")
    for tag, code in ((f"v{__version__}", 0), ("v99.0", 1)):
        done = subprocess.run(["bash", "-eo", "pipefail", "-c", script], cwd=ROOT, env={**os.environ, "TAG": tag})
        assert done.returncode == code


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that git knows or would take, without what earlier builds left."""
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("hatchling is not installed")
    copy = tmp_path_factory.mktemp("build") / "checkout"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    return copy


def _build(checkout: Path, what: str, out: Path) -> Path:
    out.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", BUILD, what, str(out)], cwd=checkout, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return out / done.stdout.splitlines()[-1]


def test_the_wheel_holds_every_file_of_the_package_and_what_is_shared(checkout: Path, tmp_path: Path) -> None:
    wheel = _build(checkout, "build_wheel", tmp_path / "wheel")
    names = set(zipfile.ZipFile(wheel).namelist())
    package = {path.relative_to(checkout).as_posix() for path in (checkout / "gitmimo").rglob("*") if path.is_file()}
    assert package - names == set()
    data = f"git_mimo-{__version__}.data/data/"
    assert {name.removeprefix(data) for name in names if name.startswith(data)} == SHARED
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/"))]

    # it runs from where it was unpacked, outside the checkout, with its data
    target = tmp_path / "installed"
    zipfile.ZipFile(wheel).extractall(target)
    environment = {**os.environ, "PYTHONPATH": str(target)}
    (tmp_path / "repo").mkdir()
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path / "repo", check=True)
    for words in (("--version",), ("init",), ("models", "list"), ("completion", "fish"), ("help", "start")):
        done = subprocess.run(
            [sys.executable, "-P", "-m", "gitmimo", *words],
            cwd=tmp_path / "repo", env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, (words, done.stderr)


def test_the_source_distribution_holds_what_builds_and_tests_it(checkout: Path, tmp_path: Path) -> None:
    archive = _build(checkout, "build_sdist", tmp_path / "sdist")
    (tmp_path / "unpacked").mkdir()
    subprocess.run(["tar", "-xzf", archive], cwd=tmp_path / "unpacked", check=True)
    top = next((tmp_path / "unpacked").iterdir())
    names = {path.relative_to(top).as_posix() for path in top.rglob("*") if path.is_file()}
    known = {path.relative_to(checkout).as_posix() for path in checkout.rglob("*") if path.is_file()}
    assert {name for name in known - names if not name.startswith(".mimo/")} == set()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--collect-only", "-p", "no:cacheprovider"],
        cwd=top, env={**os.environ, "PYTHONPATH": str(top)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:]
