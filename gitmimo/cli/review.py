"""`git mimo diff|log|review`: what a session or candidate changed, as git itself would show it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitmimo.cli import render
from gitmimo.cli.options import json_option, open_repository, session_argument, short, tokens
from gitmimo.cli.pager import page
from gitmimo.cli.sessions import say_flag
from gitmimo.errors import UsageError

if TYPE_CHECKING:
    from gitmimo.git.repository import Repository
    from gitmimo.results import CandidateResult, SessionResult

_STYLES = (
    ("+++", "bold"),
    ("---", "bold"),
    ("+", "green"),
    ("-", "red"),
    ("@@", "cyan"),
    ("commit ", "yellow"),
    ("diff --git ", "bold"),
)


@click.command("diff")
@session_argument
@click.argument("number", required=False, type=click.IntRange(min=0))
@click.option("--stat", is_flag=True, help="Only the files and how much changed in each.")
def diff_command(session: str | None, number: int | None, stat: bool) -> int:
    """Show what a session's result, or candidate NUMBER of it, changed; `.mimo/` left out."""
    from gitmimo.workflow.history import find_session, read_session

    repository = open_repository()
    result = read_session(repository, find_session(repository, session)).result
    old, new = _ends(result, number)
    flags = ["--stat"] if stat else []
    page(_diff_text(repository, old, new, *flags))
    return 0


@click.command("log")
@session_argument
@click.argument("number", required=False, type=click.IntRange(min=0))
@click.option("--steps", is_flag=True, help="The steps of the winner, or of candidate NUMBER.")
@click.option("-p", "--patch", is_flag=True, help="With what each commit changed.")
def log_command(session: str | None, number: int | None, steps: bool, patch: bool) -> int:
    """Show the commits of a session's result, or the steps of a candidate."""
    from gitmimo.workflow.history import find_session, read_session

    repository = open_repository()
    result = read_session(repository, find_session(repository, session)).result
    if steps and number is None:
        number = _chosen(result, None).number
    old, new = _ends(result, number)
    if steps and not patch:
        page(_step_lines(repository, result, _chosen(result, number)))
        return 0
    flags = ["-p", "--no-ext-diff", "--no-textconv"] if patch else []
    notes = ["--no-notes"]
    order = ["--reverse"] if number is not None else []
    page(_git_text(repository, ["log", "--no-color", *notes, *flags, *order, f"{old}..{new}"]))
    return 0


def _step_lines(repository: Repository, result: SessionResult, candidate: CandidateResult) -> str:
    """One line a step: its commit, what the model did, on what, and what it used."""
    from gitmimo.report.plots import kinds_of
    from gitmimo.workflow.steps import read_steps_at

    if candidate.commit is None:
        raise UsageError("this candidate made no commit")
    found = read_steps_at(repository, result.session, candidate.number, base=result.base, tip=candidate.commit)
    rows = []
    for step in found:
        last = step.actions[-1] if step.actions else None
        about = ", ".join(step.changed_paths) or (short(last.path or last.text, 60) if last else "thinking")
        used = f"{tokens(step.reply.usage.total)} tokens"
        rows.append([(step.commit or "")[:12], f"step {step.number}", kinds_of(step), used, about])
    lines = render.table(["commit", "", "did", "used", "what"], rows).splitlines()
    return "\n".join([render.paint(lines[0], "bold"), *lines[1:]]) + "\n"


@click.command("review")
@session_argument
@click.option("--html", "page_path", type=click.Path(path_type=Path), help="Write one self-contained page instead.")
@click.option("--open", "open_it", is_flag=True, help="With --html: show the page in the browser.")
@click.option("--side-by-side/--unified", "beside", default=None, help="Old beside new; by itself where it fits.")
@json_option
def review_command(
    session: str | None, page_path: Path | None, open_it: bool, beside: bool | None, as_json: bool
) -> int:
    """Read a session as a reviewer would: task, verdict, every candidate, then the result's diff.

    In a clone that did not run it, its note tells of the winner.
    """
    from gitmimo.report.columns import NARROWEST
    from gitmimo.text import escape_controls
    from gitmimo.workflow.noted import read_known_session

    repository = open_repository()
    result = read_known_session(repository, session)
    if as_json:
        render.emit_json(_review_json(repository, result))
        return 0
    if page_path is not None or open_it:
        return _write_page(repository, result, page_path, open_it=open_it)
    columns = shutil.get_terminal_size((0, 0)).columns if sys.stdout.isatty() else 0
    winner = next((c for c in result.candidates if result.verdict and c.number == result.verdict.winner), None)
    text = "\n".join(escape_controls(line) for line in _summary(result, winner, min(columns or 100, 100))) + "\n\n"
    if result.result_commit or winner:
        old, new = _ends(result, None)
        if beside or (beside is None and columns >= NARROWEST):
            text += _diff_text(repository, old, new, "--stat") + "\n"
            text += _side_by_side(repository, old, new, max(columns, NARROWEST))
        else:
            text += _diff_text(repository, old, new, "--stat", "-p")
    page(text)
    return 0


def _review_json(repository: Repository, result: SessionResult) -> dict[str, object]:
    """What `review` shows, for a reviewer that is a program; the diff is git's own, as UTF-8."""
    from gitmimo.git.binary import run_git
    from gitmimo.workflow.land import result_json

    winner = next((c for c in result.candidates if result.verdict and c.number == result.verdict.winner), None)
    diff = ""
    if result.result_commit or (winner and winner.commit):
        flags = ["diff", "--no-ext-diff", "--no-textconv", "-M", "--no-color", *_ends(result, None)]
        raw = run_git(["--no-pager", *flags, "--", ".", ":(exclude).mimo"], cwd=repository.require_work_tree()).stdout
        diff = raw.decode("utf-8", "replace")
    return {**result_json(result), "schema": "git-mimo/review/1", "diff": diff}


def _summary(result: SessionResult, winner: CandidateResult | None, width: int) -> list[str]:
    """What a reviewer reads before the diff: task, what to look at first, every candidate, the verdict."""
    lines = [f"Session {result.session}: {result.status.value}", ""]
    lines += _wrapped(result.task.strip()[:2000], width, "  ")
    evidence = winner.evidence if winner else None
    marked = [say_flag(flag) for flag in evidence.flags] if evidence else []
    marked += (
        [f"changed the protected file `{path}`; base's counts" for path in evidence.restored_paths] if evidence else []
    )
    if marked:
        lines += ["", "Look at first:"]
        lines += [line for text in marked for line in _wrapped(text, width, "  - ")]
    lines += ["", *_verdict_table(result)]
    if result.verdict:
        lines += ["", *_wrapped(f"Verdict: {result.verdict.reason}", width)]
        comments = result.verdict.critic.comments if result.verdict.critic else {}
        for where, comment in comments.items():
            lines += _wrapped(f"Critic on {where}: {comment}", width)
    return lines


def _wrapped(text: str, width: int, indent: str = "") -> list[str]:
    """A text in lines of this width; what it holds of line ends stays."""
    import textwrap

    after = " " * len(indent)
    return [
        line
        for number, part in enumerate(text.splitlines() or [""])
        for line in textwrap.wrap(
            part, width, initial_indent=after if number else indent, subsequent_indent=after, break_on_hyphens=False
        )
        or [""]
    ]


def _side_by_side(repository: Repository, old: str, new: str, width: int) -> str:
    from gitmimo.git.tree import without_mimo
    from gitmimo.report.columns import side_by_side
    from gitmimo.report.diff import read_diff

    trees = (without_mimo(repository, repository.tree_of(rev)) for rev in (old, new))
    styles = {"head": "bold", "hunk": "cyan", "remark": "dim"}
    lines = []
    for row in side_by_side(read_diff(repository, *trees), width=width):
        if row.kind in styles:
            lines.append(render.paint(row.left, styles[row.kind]))
        elif row.kind == "same":
            lines.append(f"{row.left} | {row.right}")
        else:
            lines.append(f"{render.paint(row.left, 'red')} | {render.paint(row.right, 'green')}".rstrip())
    return "\n".join(lines) + "\n"


def _write_page(repository: Repository, result: SessionResult, path: Path | None, *, open_it: bool) -> int:
    """Write the review page; without a path it lies in the repository's own state."""
    import webbrowser

    from gitmimo.report.page import review_page

    target = path or repository.state_dir / "review" / f"{result.session}.html"
    if target.is_dir():
        target = target / f"review-{result.session}.html"
    text = review_page(repository, result)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise UsageError(f"cannot write the page: {exc.strerror}: `{target}`") from exc
    render.out(str(target))
    if open_it and not webbrowser.open(target.absolute().as_uri()):
        render.say("no browser could be started")
    return 0


def _verdict_table(result: SessionResult) -> list[str]:
    rows = []
    for candidate in result.candidates:
        evidence = candidate.evidence
        failed = ", ".join(gate.name for gate in evidence.failed_gates) if evidence else ""
        gates = "not judged" if evidence is None else f"fails {failed}" if failed else "passed"
        size = f"+{evidence.diff.added} -{evidence.diff.removed}" if evidence else "-"
        tests = f"{evidence.tests_passed}/{evidence.tests_run}" if evidence else "-"
        star = "*" if result.verdict and result.verdict.winner == candidate.number else " "
        model = short(candidate.model or candidate.strategy, 28)
        rows.append([f"{star} {candidate.number}", model, candidate.status, tests, size, gates])
    return render.table(["  #", "model", "ended", "tests", "diff", "gates"], rows).splitlines() if rows else []


def _chosen(result: SessionResult, number: int | None) -> CandidateResult:
    wanted = number if number is not None else (result.verdict.winner if result.verdict else None)
    for candidate in result.candidates:
        if candidate.number == wanted:
            return candidate
    if number is None:
        raise UsageError(f"session {result.session} has no winner", hint=f"git mimo diff {result.session} 1")
    raise UsageError(f"session {result.session} has no candidate {number}")


def _ends(result: SessionResult, number: int | None) -> tuple[str, str]:
    if number is None and result.result_commit:
        return result.base, result.result_commit
    commit = _chosen(result, number).commit
    if commit is None:
        raise UsageError("this candidate made no commit")
    return result.base, commit


def _diff_text(repository: Repository, old: str, new: str, *flags: str) -> str:
    whole = ["diff", "--no-ext-diff", "--no-textconv", "-M", "--no-color", *flags, old, new]
    return _git_text(repository, [*whole, "--", ".", ":(exclude).mimo"])


def _git_text(repository: Repository, arguments: list[str]) -> str:
    """Git's own text without its colours, made visible line by line, then coloured by us."""
    from gitmimo.git.binary import run_git

    raw = run_git(["--no-pager", *arguments], cwd=repository.work_tree or repository.git_dir).stdout
    return "\n".join(_painted(line) for line in raw.decode("utf-8", "surrogateescape").split("\n"))


def _painted(line: str) -> str:
    from gitmimo.text import escape_controls

    for start, style in _STYLES:
        if line.startswith(start):
            return render.paint(line, style)
    return escape_controls(line)
