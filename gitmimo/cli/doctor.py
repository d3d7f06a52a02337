"""`git mimo doctor`: check this machine and repository, and say how to fix what is missing."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitmimo import __version__
from gitmimo.cli import render
from gitmimo.cli.options import find_repository, json_option, load_config
from gitmimo.errors import CheckError, MimoError, ModelError, NoModel, install_hint

if TYPE_CHECKING:
    from gitmimo.config import Config
    from gitmimo.git.repository import Repository
    from gitmimo.ids import Oid

_START = 'git mimo start "what to change, and how to know it is done"'
_ELSEWHERE = (
    "git mimo demo    # a small repository with a bug, solved here",
    "cd YOUR-REPOSITORY && git mimo doctor",
)
_INDENT = 19


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the doctor's: `level` is ok, note, problem, or none for what is absent and need not be there.

    `remedy` are lines to type; what `blocks` a session is listed at the end, to be typed next.
    """

    level: str
    subject: str
    text: str
    remedy: str = ""
    blocks: bool = False


@click.command("doctor")
@json_option
def doctor_command(as_json: bool) -> int:
    """Check git, the sandbox, models, disk and this repository. Exit 1 when something must be fixed."""
    repository, findings = find_repository(), []
    for finding in _examine(repository):
        findings.append(finding)
        if not as_json:
            _print_finding(finding)
    todo = [line for finding in findings if finding.blocks for line in finding.remedy.splitlines()]
    todo = [*todo, _START] if repository else list(_ELSEWHERE)
    if as_json:
        values = [{"level": f.level, "subject": f.subject, "text": f.text, "remedy": f.remedy} for f in findings]
        render.emit_json("doctor/1", {"findings": values, "next": todo})
    else:
        render.out("")
        render.out("next:")
        for line in todo:
            render.out(f"  {line}")
    return int(any(finding.level == "problem" for finding in findings))


def _print_finding(finding: Finding) -> None:
    """Print one finding, wrapped at the terminal's width."""
    import textwrap

    styles = {"ok": "green", "note": "yellow", "problem": "red", "none": "dim"}
    width = max(shutil.get_terminal_size((100, 0)).columns - _INDENT, 30)
    level = "-" if finding.level == "none" else finding.level
    first, *rest = textwrap.wrap(finding.text, width) or [""]
    render.out_raw(f"{render.paint(level.ljust(7), styles[finding.level])} {finding.subject.ljust(10)} ")
    render.out(first)
    for line in [*rest, *(() if finding.blocks else finding.remedy.splitlines())]:
        render.out(f"{'':{_INDENT}}{line}")


def _examine(repository: Repository | None) -> Iterator[Finding]:
    from gitmimo.git.run import check_git_version, git_version

    version = ".".join(map(str, git_version()))
    try:
        check_git_version()
        yield Finding(level="ok", subject="git", text=version)
    except MimoError as exc:
        yield Finding(level="problem", subject="git", text=exc.message, remedy=exc.hint)
    yield Finding(
        level="ok", subject="git-mimo", text=f"{__version__}, Python {platform.python_version()}, {sys.platform}"
    )
    yield from _sandboxes()
    yield from _agents()
    yield from _disk()
    if repository is None:
        yield Finding(level="note", subject="repository", text=f"not a git repository: `{Path.cwd()}`")
    else:
        yield from _repository(repository)
    yield from _models(repository)


def _sandboxes() -> Iterator[Finding]:
    from gitmimo.sandbox.probe import probe_sandboxes

    found = list(probe_sandboxes())
    works = [f for f in found if not f.problem]
    for f in found:
        text = f.problem or ("works, and is what commands run in" if f is works[0] else "works too")
        if f.gaps and not f.problem:
            text += f"; it does not cover: {', '.join(f.gaps)}"
        level = "ok" if not f.problem else "note" if works else "problem"
        yield Finding(level=level, subject=f.kind, text=text, remedy=f.remedy if f.problem else "")


def _agents() -> Iterator[Finding]:
    """Other agents that can be candidates; those that are not here take one line together."""
    from gitmimo.agent.external.programs import ADAPTERS, find_program

    absent = []
    for adapter in ADAPTERS.values():
        program = find_program(adapter, os.environ.get("PATH", os.defpath))
        if program:
            yield Finding(level="ok", subject=adapter.name, text=f"{program} (`--agent {adapter.name}`)")
        elif adapter.name != "cmd":
            absent.append(adapter.name)
    if absent:
        text = f"not on PATH, and not needed: {', '.join(absent)}"
        yield Finding(level="none", subject="agents", text=text)


def _disk() -> Iterator[Finding]:
    from gitmimo.workflow.directories import state_home

    directory = state_home()
    while not directory.exists():
        directory = directory.parent
    free = shutil.disk_usage(directory).free
    yield Finding(
        level="ok" if free > 2 << 30 else "problem" if free < 200 << 20 else "note",
        subject="disk",
        text=f"{free / (1 << 30):.1f} GiB free where worktrees are made",
        remedy="" if free > 2 << 30 else "export XDG_STATE_HOME=DIRECTORY",
    )


def _repository(repository: Repository) -> Iterator[Finding]:
    from gitmimo.workflow.trust import brought_commands, digest_of, is_approved

    try:
        base = repository.resolve("HEAD")
        yield Finding(level="ok", subject="repository", text=f"{repository.work_tree} at {base[:12]}")
        config = load_config(repository)
        yield from _tests(repository, config, base)
        commands = brought_commands(config)
        if commands and not is_approved(repository, digest_of(commands)):
            remedy = "git mimo trust    # read and approve the commands of .mimo/config.yaml"
            yield Finding(level="note", subject="trust", text="commands not approved", remedy=remedy, blocks=True)
    except MimoError as exc:
        yield Finding(level="problem", subject="repository", text=exc.message, remedy=exc.hint, blocks=True)


def _tests(repository: Repository, config: Config, base: Oid) -> Iterator[Finding]:
    from gitmimo.workflow.evaluate import collect_tests, find_test_command

    try:
        tests = find_test_command(repository, config, base)
        why = config.origin("test") if config.text("test") else tests.reason
        yield Finding(level="ok", subject="tests", text=f"{tests.shown} ({why})")
        if problem := collect_tests(repository, config, base):
            text = f"a fresh tree of {base[:12]} has not all that they need. They say:\n{problem}"
            remedy = "git mimo config set worktree.copy FILE   # a file that git ignores and imports need"
            yield Finding(level="problem", subject="tests", text=text, remedy=remedy)
    except CheckError as exc:
        remedy = "git mimo config set test 'COMMAND'    # what runs your tests; git-mimo found none"
        yield Finding(level="note", subject="tests", text=exc.message, remedy=remedy, blocks=True)


def _models(repository: Repository | None) -> Iterator[Finding]:
    import importlib.util

    from gitmimo.llm.routing import open_model
    from gitmimo.workflow.models import model_names, model_settings

    if importlib.util.find_spec("xllamacpp"):
        yield Finding(level="ok", subject="local", text="xllamacpp is installed, local models can run")
    else:
        text = "no local model can run: xllamacpp is missing"
        yield Finding(level="note", subject="local", text=text, remedy=install_hint("local"))
    try:
        config = load_config(repository)
        settings = model_settings(config)
        for name in model_names(config):
            open_model(name, settings)
            yield Finding(level="ok", subject="model", text=name)
    except MimoError as exc:
        remedy = _model_suggestions() if exc.message.startswith("no model") else exc.hint
        level = "note" if isinstance(exc, NoModel) else "problem"
        yield Finding(level=level, subject="model", text=exc.message, remedy=remedy, blocks=isinstance(exc, ModelError))


def _model_suggestions() -> str:
    import importlib.util

    from gitmimo.workflow.directories import data_home

    extra = "" if importlib.util.find_spec("xllamacpp") else f"{install_hint('local')} && "
    pull = "" if any((data_home() / "models").glob("*.gguf")) else "git mimo models pull && "
    return (
        f"{extra}{pull}git mimo config set --provider local    # free, on this machine\n"
        "git mimo config set --provider deepseek    # asks for its key; other providers: git mimo models list"
    )
