"""`git mimo review|diff|log`: what a session or candidate changed, and how it got there, step by step."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitmimo.cli import render
from gitmimo.cli.options import (
    json_option,
    open_repository,
    open_session,
    open_target,
    session_argument,
    target_arguments,
)
from gitmimo.errors import UsageError
from gitmimo.records import Action, ActionKind, CandidateResult, Observation, SessionResult, Step
from gitmimo.report.summary import used_by
from gitmimo.text import counted, escape_controls, seconds, tokens, usd

if TYPE_CHECKING:
    from gitmimo.git.repository import Repository

_STYLES = (
    ("+++", "bold"),
    ("---", "bold"),
    ("+", "green"),
    ("-", "red"),
    ("@@", "cyan"),
    ("commit ", "yellow"),
    ("diff --git ", "bold"),
)


@click.command("diff", context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[SESSION] [NUMBER] [GIT DIFF OPTIONS] [-- PATHS]")
def diff_command(words: tuple[str, ...]) -> int:
    """Show what a session's result, or candidate NUMBER of it, changed; `.mimo/` left out.

    What follows is git's: `--stat`, `-w`, `--word-diff`, `--name-only`, and paths.
    """
    repository = open_repository()
    result, number, rest = target_of(repository, words)
    old, new = ends_of(result, number)
    options = [word for word in rest if word.startswith("-")]
    refused = next((word for word in options if word.startswith(("--output", "--ext-diff", "--textconv"))), None)
    if refused:
        raise UsageError(f"`{refused}` is not passed on to git", hint=f"git diff {old[:12]} {new[:12]}")
    render.page(_diff_text(repository, old, new, *options, paths=[word for word in rest if not word.startswith("-")]))
    return 0


@click.command("log")
@target_arguments
@click.option("--full", is_flag=True, help="With whole outputs and files.")
def log_command(session: str | None, number: int | None, full: bool) -> int:
    """Read how the winner, or candidate NUMBER, worked: what the model said, ran, saw and edited, step by step."""
    from gitmimo.workflow.history import read_steps_at

    repository, result, number = open_target(session, number)
    candidate = _chosen(result, number if number is not None or result.winner else 1)
    if candidate.commit is None:
        raise UsageError("this candidate made no commit", hint=f"git mimo show {result.session}")
    steps = read_steps_at(repository, result.session, candidate.number, base=result.base, tip=candidate.commit)
    render.page(transcript(candidate, steps, full=full))
    return 0


@click.command("review")
@session_argument
@click.option("--html", "page_path", type=click.Path(path_type=Path), help="Write one self-contained page instead.")
@json_option
def review_command(session: str | None, page_path: Path | None, as_json: bool) -> int:
    """Read a session as a reviewer would: what behaves differently, what to look at first, the verdict, the diff."""
    from gitmimo.workflow.session_result import result_json

    repository, result = open_session(session)
    if as_json:
        diff = read_diff(repository, *ends_of(result, None)) if result.result_commit or result.winner else ""
        return render.emit_json("review/1", result_json(result) | {"diff": diff.encode(errors="replace").decode()})
    if page_path is not None:
        return _write_page(repository, result, page_path)
    text = summary_text(result) + "\n"
    if result.result_commit or result.winner:
        text += _diff_text(repository, *ends_of(result, None), "--stat", "-p")
    render.page(text)
    return 0


def text_width() -> int:
    """How wide text is written."""
    return min(shutil.get_terminal_size((100, 0)).columns if sys.stdout.isatty() else 100, 100)


def summary_text(result: SessionResult) -> str:
    """A session as `show` and `review` begin."""
    from gitmimo.report.summary import CANDIDATE_HEADINGS, candidate_rows, summary_lines

    table = render.table(CANDIDATE_HEADINGS, candidate_rows(result)).splitlines() if result.candidates else ()
    first, *lines = (escape_controls(line) for line in summary_lines(result, text_width(), table))
    first = render.paint(first, {"passed": "green", "failed": "red", "error": "red"}.get(result.status.value, "yellow"))
    return "".join(f"{line}\n" for line in (first, *(_heading(line) for line in lines)))


def _heading(line: str) -> str:
    return render.paint(line, "bold") if line.endswith(":") and not line.startswith(" ") else line


def target_of(repository: Repository, words: Sequence[str]) -> tuple[SessionResult, int | None, list[str]]:
    """The session and candidate at the start of a command line, and the remaining words."""
    from gitmimo.workflow.journals import find_session, read_session

    rest = list(words)
    named = None
    if rest and not rest[0].startswith("-") and not (len(rest[0]) < 3 and rest[0].isdigit()):
        try:
            named = find_session(repository, rest[0])
        except UsageError:
            if not (repository.require_work_tree() / rest[0]).exists():
                raise
        else:
            rest.pop(0)
    number = int(rest.pop(0)) if rest and rest[0].isdigit() else None
    result = read_session(repository, named or find_session(repository, None)).result
    return result, number, rest


def _write_page(repository: Repository, result: SessionResult, path: Path) -> int:
    from gitmimo.report.page import review_page

    target = path / f"review-{result.session}.html" if path.is_dir() else path
    text = review_page(repository, result)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise UsageError(f"cannot write the page: {exc.strerror}: `{target}`") from exc
    render.out(str(target))
    return 0


def _chosen(result: SessionResult, number: int | None) -> CandidateResult:
    if number is None:
        if result.winner is None:
            raise UsageError(
                f"session {result.session} has no winner", hint=f"git mimo diff {result.session} 1   # a candidate's"
            )
        return result.winner
    candidate = result.candidate(number)
    if candidate is None:
        raise UsageError(f"session {result.session} has no candidate {number}")
    return candidate


def ends_of(result: SessionResult, number: int | None) -> tuple[str, str]:
    """The two commits between which a session, or a candidate of it, made its change."""
    if number is None and result.result_commit:
        return result.base, result.result_commit
    commit = _chosen(result, number).commit
    if commit is None:
        raise UsageError("this candidate made no commit")
    return result.base, commit


def read_diff(repository: Repository, old: str, new: str, *flags: str, paths: Sequence[str] = ()) -> str:
    """Git's own text without its colours; bytes that are no UTF-8 are surrogates."""
    from gitmimo.git.run import run_git

    whole = ["--no-pager", "diff", "--no-ext-diff", "--no-textconv", "-M", "--no-color", *flags, old, new]
    raw = run_git([*whole, "--", *(paths or ["."]), ":(exclude,top).mimo"], cwd=repository.require_work_tree()).stdout
    return raw.decode("utf-8", "surrogateescape")


def _diff_text(repository: Repository, old: str, new: str, *flags: str, paths: Sequence[str] = ()) -> str:
    """The diff as it is shown: made visible line by line, and coloured by us."""
    return "\n".join(_painted(line) for line in read_diff(repository, old, new, *flags, paths=paths).split("\n"))


def _painted(line: str) -> str:
    for start, style in _STYLES:
        if line.startswith(start):
            return render.paint(line, style)
    return escape_controls(line)


def transcript(candidate: CandidateResult, steps: Sequence[Step], *, full: bool) -> str:
    """Every step; long outputs and files are folded to their ends unless `full`."""
    spent = f"{tokens(candidate.usage.total)} tokens, {usd(candidate.cost_usd)}, {seconds(candidate.seconds)}"
    lines = [
        render.paint(f"candidate {candidate.number} ({candidate.worker}): {candidate.status}, {spent}", "bold"),
        *([f"approach: {escape_controls(candidate.approach)}"] if candidate.approach else []),
    ]
    for step in steps:
        lines += ["", *_step(step, full=full)]
    if candidate.summary.strip():
        lines += ["", render.paint("in the end", "cyan"), *_block(candidate.summary.strip(), 2, full=True)]
    return "\n".join(lines) + "\n"


def step_text(step: Step) -> str:
    """One step, folded, with an empty line behind it."""
    return "\n".join([*_step(step, full=False), "", ""])


def _step(step: Step, *, full: bool) -> Iterator[str]:
    yield render.paint(f"step {step.number}", "cyan") + f"  {used_by(step)}"
    said = step.reply.text.strip()
    # in the text protocol a reply consists of its actions, which follow
    if said and not any(action.text and action.text.strip() in said for action in step.actions):
        yield from _block(said, 2, first=12, last=0, full=full)
    for action, observation in zip(step.actions, step.observations, strict=False):
        yield from _action(action, observation, full=full)


def _action(action: Action, observation: Observation, *, full: bool) -> Iterator[str]:
    """What was done, how it ended, what it changed and what it said."""
    failed = observation.exit_code not in (None, 0)
    is_edit = action.kind in (ActionKind.EDIT, ActionKind.WRITE)
    first, _, rest = action.text.strip().partition("\n")
    what = f"$ {first}" if action.kind is ActionKind.SHELL else f"{action.kind.value} {action.path or first}"
    ended = f"exit {observation.exit_code}" if failed else "ok"
    took = f", {seconds(observation.seconds)}" if observation.seconds >= 0.1 else ""
    yield f"  {render.paint(what, 'bold')}  {render.paint(f'({ended}{took})', 'red' if failed else 'green')}"
    if action.kind is ActionKind.SHELL:
        yield from _block(rest, 4, first=10, last=0, full=full)
    if is_edit:
        yield from _block("".join(f"-{line}\n" for line in action.old.splitlines()), 4, style="red", full=full)
        yield from _block("".join(f"+{line}\n" for line in action.text.splitlines()), 4, style="green", full=full)
    if observation.text.strip() and (failed or not is_edit):
        yield from _block(observation.text.rstrip(), 6, first=3, last=8, full=full)


def _block(text: str, indent: int, *, first: int = 20, last: int = 5, style: str = "", full: bool) -> Iterator[str]:
    """The lines of a text; of a long one the first and last with a count between them, unless `full`."""
    lines = text.splitlines()
    if not full and len(lines) > first + last + 1:
        left_out = f"… {counted(len(lines) - first - last, 'line')} more (--full)"
        lines = [*lines[:first], left_out, *lines[len(lines) - last :]]
    for line in lines:
        shown = render.paint(line, style) if style else escape_controls(line)
        yield f"{'':{indent}}{shown}".rstrip()
