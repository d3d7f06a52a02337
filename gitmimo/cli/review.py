"""`git mimo diff|log|review`: what a session or candidate changed, as git itself would show it."""

import os
import shlex
import shutil
import subprocess
import sys
import webbrowser
from pathlib import Path

import click

from gitmimo.cli import render
from gitmimo.cli.common import open_repository, session_argument, short
from gitmimo.errors import UsageError
from gitmimo.git.binary import clean_environment, run_git
from gitmimo.git.repository import Repository
from gitmimo.git.tree import without_mimo
from gitmimo.records import CandidateResult, Outcome, SessionResult
from gitmimo.report.columns import NARROWEST, side_by_side
from gitmimo.report.diff import read_diff
from gitmimo.report.page import review_page
from gitmimo.visible import visible
from gitmimo.workflow.history import find_session, read_session
from gitmimo.workflow.noted import read_known_session

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
    repository = open_repository()
    result = read_session(repository, find_session(repository, session)).result
    if steps and number is None:
        number = _chosen(result, None).number
    old, new = _ends(result, number)
    flags = ["-p", "--no-ext-diff", "--no-textconv"] if patch else []
    notes = ["--no-notes"]
    order = ["--reverse"] if number is not None else []
    page(_git_text(repository, ["log", "--no-color", *notes, *flags, *order, f"{old}..{new}"]))
    return 0


@click.command("review")
@session_argument
@click.option("--html", "page_path", type=click.Path(path_type=Path), help="Write one self-contained page instead.")
@click.option("--open", "open_it", is_flag=True, help="With --html: show the page in the browser.")
@click.option("--side-by-side/--unified", "beside", default=None, help="Old beside new; by itself where it fits.")
def review_command(session: str | None, page_path: Path | None, open_it: bool, beside: bool | None) -> int:
    """Read a session as a reviewer would: task, verdict, every candidate, then the result's diff.

    In a clone that did not run it, its note tells of the winner.
    """
    repository = open_repository()
    result = read_known_session(repository, session)
    if page_path is not None or open_it:
        return _write_page(repository, result, page_path, open_it=open_it)
    lines = [f"Session {result.session}: {result.status.value}", "", short(result.task, 400), ""]
    lines += _verdict_table(result)
    if result.verdict:
        lines += ["", f"Verdict: {result.verdict.reason}"]
        if result.verdict.critic:
            comments = result.verdict.critic.comments
            lines += [f"Critic on {where}: {comment}" for where, comment in comments.items()]
    winner = next((c for c in result.candidates if result.verdict and c.number == result.verdict.winner), None)
    if winner and winner.evidence:
        lines += [f"Look at: {flag}" for flag in winner.evidence.flags]
        lines += [f"Restored from base: {path}" for path in winner.evidence.restored_paths]
    text = "\n".join(visible(line) for line in lines) + "\n\n"
    if result.result_commit or winner:
        old, new = _ends(result, None)
        columns = shutil.get_terminal_size((0, 0)).columns if sys.stdout.isatty() else 0
        if beside or (beside is None and columns >= NARROWEST):
            text += _diff_text(repository, old, new, "--stat") + "\n"
            text += _side_by_side(repository, old, new, max(columns, NARROWEST))
        else:
            text += _diff_text(repository, old, new, "--stat", "-p")
    page(text)
    return 0


def _side_by_side(repository: Repository, old: str, new: str, width: int) -> str:
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


def page(text: str) -> None:
    """Show a text through the pager that git would use, or plainly where stdout is no terminal."""
    if not sys.stdout.isatty() or os.environ.get("GIT_PAGER_IN_USE"):
        render.out_raw(text)
        return
    pager = run_git(["var", "GIT_PAGER"], check=False).stdout.decode().strip() or "less"
    words = shlex.split(pager)
    if not words or words[0] == "cat" or not shutil.which(words[0]):
        render.out_raw(text)
        return
    environment = clean_environment() | {"LESS": os.environ.get("LESS", "FRX"), "LV": os.environ.get("LV", "-c")}
    with subprocess.Popen(words, stdin=subprocess.PIPE, env=environment) as process:
        process.communicate(text.encode(errors="replace"))


def _verdict_table(result: SessionResult) -> list[str]:
    gates = list(dict.fromkeys(g.name for c in result.candidates if c.evidence for g in c.evidence.gates))
    rows = []
    for candidate in result.candidates:
        said = {gate.name: gate.outcome for gate in candidate.evidence.gates} if candidate.evidence else {}
        marks = ["ok" if said.get(g) is Outcome.PASS else str(said.get(g, "-")) for g in gates]
        size = f"+{candidate.evidence.diff.added} -{candidate.evidence.diff.removed}" if candidate.evidence else "-"
        star = "*" if result.verdict and result.verdict.winner == candidate.number else ""
        rows.append([f"{candidate.number}{star}", candidate.status, size, *marks])
    return render.table(["#", "ended", "diff", *gates], rows).splitlines() if rows else []


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
    raw = run_git(["--no-pager", *arguments], cwd=repository.work_tree or repository.git_dir).stdout
    return "\n".join(_painted(line) for line in raw.decode("utf-8", "surrogateescape").split("\n"))


def _painted(line: str) -> str:
    for start, style in _STYLES:
        if line.startswith(start):
            return render.paint(line, style)
    return visible(line)
