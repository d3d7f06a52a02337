"""`git mimo ci`: test a branch again and compare the result with its note."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gitmimo.ci.formats import FORMATS
from gitmimo.cli import render
from gitmimo.cli.options import complete_revisions, git_settings, settings
from gitmimo.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitmimo.ci.check import CiReport
    from gitmimo.config import Config
    from gitmimo.git.repository import Repository
    from gitmimo.ids import Oid


@click.command("ci")
@click.argument("rev", required=False, default="HEAD", shell_complete=complete_revisions)
@click.option("--base", help="Where the branch started; found by itself when left out.", metavar="REV",
              shell_complete=complete_revisions)  # fmt: skip
@click.option("--format", "form", type=click.Choice(list(FORMATS)), default="text", help="Form of stdout (text).")
@click.option("--json", "as_json", is_flag=True, help="As --format json.")
@click.option("--write", multiple=True, help="Write a further form to a file; repeatable.", metavar="FORMAT=FILE")
@click.option("--record", is_flag=True, help="Write what was found as the commit's note.")
@click.option("--require-note", is_flag=True, help="Fail when the note is missing or stale.")
@click.option("--trust-base", is_flag=True, help="Run the commands of the base's .mimo/config.yaml: for CI machines.")
@settings("test", "setup", "accept", "sandbox")
def ci_command(
    rev: str,
    base: str | None,
    form: str,
    as_json: bool,
    write: tuple[str, ...],
    record: bool,
    require_note: bool,
    trust_base: bool,
    **flags: Any,
) -> int:
    """Judge REV (HEAD) again: base plus product in a fresh tree, protected files and commands from the base.

    Then compare with the note. Exit 0: passed. 1: a gate failed, or the note is contradicted. 2: a
    session's result that a person has to decide about.
    """
    from dataclasses import replace

    from gitmimo.ci.check import check_commit, find_base
    from gitmimo.ci.check import record as record_report
    from gitmimo.git.repository import Repository
    from gitmimo.workflow.trust import require_trust

    form = "json" if as_json else form
    files = [_target(text) for text in write]
    repository = Repository.discover(Path.cwd())
    commit = repository.resolve(rev)
    start = find_base(repository, commit, base)
    config = _config_of_base(repository, start, flags)
    if not trust_base:
        require_trust(repository, config)
    report = replace(check_commit(repository, config, commit, start, observe=render.say), note_required=require_note)
    report = record_report(repository, report) if record else report
    _write(report, form, files)
    return 2 if report.needs_person else 0 if report.passed else 1


def _write(report: CiReport, form: str, files: Sequence[tuple[str, Path]]) -> None:
    """Write a report to stdout, to the files that were asked for, and to the summary that GitHub shows."""
    from gitmimo.ci.formats import as_markdown

    for name, path in files:
        path.write_text(FORMATS[name](report), encoding="utf-8")
    summary = os.environ.get("GITHUB_STEP_SUMMARY", "")
    if form == "github" and summary:
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(as_markdown(report))
    render.out_raw(FORMATS[form](report))


def _config_of_base(repository: Repository, base: Oid, flags: dict[str, object]) -> Config:
    """The configuration as the base has it: a branch does not choose how it is judged."""
    from gitmimo.config import resolve

    committed = repository.read_blob(base, ".mimo/config.yaml") or b""
    return resolve(
        flags=flags,
        environ=os.environ,
        git_config=git_settings(repository),
        committed=committed.decode("utf-8", "replace"),
    )


def _target(text: str) -> tuple[str, Path]:
    name, _, path = text.partition("=")
    if name not in FORMATS or not path:
        raise UsageError(f"not FORMAT=FILE: `{text}`", hint="git mimo ci --write junit=report.xml")
    target = Path(path)
    if target.is_dir() or not os.access(target if target.exists() else target.absolute().parent, os.W_OK):
        raise UsageError(f"cannot write `{path}`", hint=f"mkdir -p {shlex.quote(str(target.parent))}")
    return name, target
