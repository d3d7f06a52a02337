"""The demo repository: a small realistic package with a bug and the tests that show it."""

import importlib.resources
import shutil
import tempfile
from pathlib import Path

from gitmimo.errors import UsageError
from gitmimo.git.run import run_git

TASK = (
    "Two tests fail: items whose count equals the minimum are ordered although nothing is missing. "
    "Fix to_order in shelf/stock.py so that all tests pass."
)


def make_demo_repository(directory: Path | None) -> Path:
    """Write the project and commit it; a given directory must be new or empty."""
    if directory is None:
        directory = Path(tempfile.mkdtemp(prefix="git-mimo-demo-"))
    elif directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise UsageError(f"the directory is not empty: `{directory}`", hint="git mimo demo --dir NEW")
    with importlib.resources.as_file(importlib.resources.files("gitmimo.cli") / "demo_project") as project:
        shutil.copytree(project, directory, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    run_git(["init", "--quiet", "--initial-branch=main"], cwd=directory)
    for name, value in (("user.name", "Demo"), ("user.email", "demo@example.org")):
        if run_git(["config", name], cwd=directory, check=False).exit_code:
            run_git(["config", name, value], cwd=directory)
    run_git(["add", "--all"], cwd=directory)
    run_git(["commit", "--quiet", "-m", "shelf: keep track of a stock"], cwd=directory)
    return directory
