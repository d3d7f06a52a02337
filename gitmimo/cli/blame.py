"""`git mimo why|bisect`: where a line came from, and which step broke a test."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitmimo.cli import render
from gitmimo.cli.options import (
    complete_files,
    complete_revisions,
    json_option,
    load_config,
    open_repository,
    open_target,
    settings,
    target_arguments,
)
from gitmimo.errors import UsageError
from gitmimo.text import one_line

if TYPE_CHECKING:
    from gitmimo.workflow.provenance import Provenance

_FOUND_BY = {
    "commit": "on this commit",
    "tree": "for the same files",
    "patch": "for the same patch",
    "session": "for the session that the message names",
}


@click.command("why")
@click.argument("location", metavar="FILE:LINE", shell_complete=complete_files)
@click.option(
    "--rev", default="HEAD", help="The revision whose line is meant (HEAD).", shell_complete=complete_revisions
)
@json_option
def why_command(location: str, rev: str, as_json: bool) -> int:
    """Say where a line came from: commit, session, candidate, step, model and evidence.

    Also after a merge, a squash, a rebase or a move of the line. Exit 1 when no session wrote it.
    """
    from gitmimo.workflow.provenance import explain_line

    repository = open_repository()
    path, line = _parse_location(location)
    found = explain_line(
        repository, repository_path(path, top=repository.require_work_tree(), cwd=Path.cwd()), line, rev=rev
    )
    if as_json:
        render.emit_json("why/1", found)
    else:
        _print(found)
    return 0 if found.session else 1


@click.command("bisect")
@target_arguments
@click.option("--test-id", help="The test; the first that the candidate broke when left out.", metavar="ID")
@settings("sandbox")
@json_option
def bisect_command(
    session: str | None, number: int | None, test_id: str | None, sandbox: str | None, as_json: bool
) -> int:
    """Find the step of a candidate after which a test that passed on base fails. Exit 1 when there is none."""
    from gitmimo.ids import Oid
    from gitmimo.report.summary import kinds_of
    from gitmimo.workflow.evaluate import open_evaluator
    from gitmimo.workflow.provenance import find_breaking_step
    from gitmimo.workflow.trust import require_trust

    repository, result, number = open_target(session, number)
    config = load_config(repository, {"sandbox": sandbox})
    require_trust(repository, config)
    wanted = number or next((c.number for c in result.candidates if c.evidence and c.evidence.broken_ids), 1)
    candidate = result.candidate(wanted)
    if candidate is None:
        raise UsageError(f"session {result.session} has no candidate {wanted}")
    with contextlib.closing(
        open_evaluator(repository, config, Oid(result.base), result.session, task_text=result.task)
    ) as judge:
        render.say(f"base: {judge.measure_base()}")
        found = find_breaking_step(repository, judge, result, candidate, test=test_id, observe=render.say)
    if as_json:
        value: dict[str, object] = {"test": test_id, "step": None, "commit": None, "judged": None}
        if found is not None:
            value = {"test": found.test, "step": found.step.number, "commit": found.commit, "judged": found.judged}
        render.emit_json("bisect/1", {"candidate": wanted, **value})
        return int(found is None)
    if found is None:
        render.say(f"candidate {wanted} breaks {test_id or 'no test that passes on base'}")
        return 1
    render.out(f"{found.test} fails since step {found.step.number} of candidate {wanted} ({found.commit[:12]})")
    render.out(f"  {kinds_of(found.step)}: {', '.join(found.step.changed_paths) or 'no file'}")
    render.hint(f"git show {found.commit[:12]}")
    return 0


def repository_path(path: str, *, top: Path, cwd: Path) -> str:
    """A path as typed, named as git names it from the top of the checkout."""
    name = os.path.normpath(os.path.relpath(cwd / path, top))
    if name.startswith("..") or name == ".":
        raise UsageError(f"not a file of this repository: `{path}`")
    return Path(name).as_posix()


def _parse_location(location: str) -> tuple[str, int]:
    path, _, line = location.rpartition(":")
    if not path or not line.isdigit() or int(line) < 1:
        raise UsageError(f"not FILE:LINE: `{location}`", hint="git mimo why src/app.py:12")
    return path, int(line)


def _print(found: Provenance) -> None:
    from gitmimo.report.summary import kinds_of

    rows = [("line", f"{found.path}:{found.line}: {one_line(found.text, 100)}")]
    moved = f", then in {found.original_path}" if found.original_path != found.path else ""
    rows.append(("commit", f"{found.commit[:12]} {one_line(found.summary, 80)} ({found.author}{moved})"))
    if found.session is None:
        rows.append(("session", found.problem or "none: no session of git-mimo is known for this commit"))
    else:
        rows.append(("session", found.session))
    if found.candidate is not None:
        rows.append(("candidate", str(found.candidate)))
    if found.step is not None:
        rows.append(("step", f"{found.step.number}: {kinds_of(found.step)} ({(found.step.commit or '')[:12]})"))
    if found.model:
        rows.append(("model", found.model))
    if found.note is not None:
        evidence = found.note.evidence
        said = "pass" if evidence.passed else "fail"
        rows.append(("evidence", f"{said} {evidence.tests_passed}/{evidence.tests_run} ({_FOUND_BY[found.how]})"))
    for name, value in rows:
        render.out(f"{name + ':':11}{value}")
