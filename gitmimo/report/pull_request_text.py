"""The text of a pull request: what was asked, what was done, why it won, and what to look at first."""

import re

from gitmimo.evidence import DiffFacts
from gitmimo.git.diff import diff_facts
from gitmimo.git.repository import Repository
from gitmimo.records import CandidateResult, SessionResult
from gitmimo.report.summary import CANDIDATE_HEADINGS, candidate_rows, differences_of, remarks_of, used_text
from gitmimo.text import counted, escape_controls
from gitmimo.workflow.land import result_tip, subject_of
from gitmimo.workflow.pull_request import is_tested

MAX_CHARACTERS = 40_000


def describe(repository: Repository, result: SessionResult) -> tuple[str, str]:
    """Return the pull request's title and body. UsageError when the session has no result."""
    tip = result_tip(repository, result)
    files = diff_facts(repository, repository.tree_of(result.base), repository.tree_of(tip))
    return write_title(result), write_body(result, files, changed_since=not is_tested(repository, tip))


def write_body(result: SessionResult, branch: DiffFacts, *, changed_since: bool = False) -> str:
    """Write Markdown about what `branch` changes.

    Text of the task, models and critics is quoted, shown visibly and can't mention users.
    """
    winner = result.winner
    parts = [
        _behaviour(result),
        "## Task\n\n" + _quote(result.task, 6_000),
        "## What was done\n\n" + _done(winner, branch) if winner else "",
        "## Look at first\n\n" + _look_at(result, winner, changed_since=changed_since),
        "## Verdict\n\n" + _table(result),
        "## Cost\n\n" + used_text(result),
        "## Reproduce\n\n" + _reproduce(result, winner),
    ]
    text = "\n\n".join(part for part in parts if part) + "\n"
    return text if len(text) <= MAX_CHARACTERS else text[:MAX_CHARACTERS] + "\n\n… cut here\n"


def write_title(result: SessionResult) -> str:
    """The winner's title of its change, else the task's first line; short enough for a title."""
    return escape_controls(subject_of(result.task, result.winner), newlines=False)


def plain(text: str, limit: int = 400) -> str:
    """Text from outside on one line of Markdown: no markup, no mention, nothing hidden."""
    shown = " ".join(escape_controls(text).split())
    shown = shown if len(shown) <= limit else shown[: limit - 1] + "…"
    shown = re.sub(r"([\\`*_\[\]<>|~#!])", r"\\\1", shown)
    return shown.replace("@", "&#64;").replace("://", ":&#8203;//")


def code(text: str, limit: int = 200) -> str:
    """Text as inline code, with a fence that it can't close."""
    shown = escape_controls(text, newlines=False)[:limit]
    fence = _fence(shown, least=1)
    return f"{fence} {shown} {fence}" if len(fence) > 1 else f"`{shown}`"


def _fence(text: str, *, least: int) -> str:
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    return "`" * max(longest + 1, least)


def _quote(text: str, limit: int) -> str:
    lines = escape_controls(text.strip()).splitlines()
    quoted = "\n".join("> " + plain(line, 1_000) for line in lines)
    return quoted if len(quoted) <= limit else quoted[:limit] + " …"


def _behaviour(result: SessionResult) -> str:
    """What behaves differently, before anything else; nothing where nothing was compared."""
    found = differences_of(result)
    if found is None:
        return ""
    lines = [
        f"- {code(line.call)}: {code(line.before, 100)} → {code(line.after, 100)} ({line.kind})" for line in found.lines
    ]
    return "## What behaves differently\n\n" + "\n".join([*lines, *([""] if lines else []), plain(found.count)])


def _done(winner: CandidateResult, branch: DiffFacts) -> str:
    lines = []
    if winner.summary.strip():
        lines.append(plain(winner.summary, 1_500))
    if winner.approach.strip():
        lines.append(f"Approach: {plain(winner.approach, 600)}")
    files = [f"- {code(change.path)} +{change.added} −{change.removed}" for change in branch.files[:30]]
    more = [f"- and {counted(len(branch.files) - 30, 'more file')}"] if len(branch.files) > 30 else []
    total = f"{counted(len(branch.files), 'file')}, +{branch.added} −{branch.removed}"
    lines.append(f"{total}:\n\n" + "\n".join(files + more))
    return "\n\n".join(lines)


def _look_at(result: SessionResult, winner: CandidateResult | None, *, changed_since: bool) -> str:
    items: list[str] = []
    if changed_since:
        items.append("The branch has changed since its tests ran; `git mimo ci` judges it again.")
    items += [f"{'Needs a person: ' if r.needs_person else ''}{plain(r.text)}" for r in remarks_of(result)]
    critic = result.verdict.critic if result.verdict else None
    for key, text in critic.comments.items() if critic and winner else ():
        number, _, path = key.partition(":")
        if winner and number == str(winner.number):
            items.append(f"Critic on {code(path) if path else 'the whole'}: {plain(text)}")
    return "\n".join(f"- {item}" for item in items) or "Nothing stands out."


def _table(result: SessionResult) -> str:
    heads = [head.strip() for head in CANDIDATE_HEADINGS]
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    lines += [f"| {' | '.join(plain(cell, 100) for cell in row)} |" for row in candidate_rows(result)]
    verdict = result.verdict
    reason = plain(verdict.reason, 600) if verdict else ""
    losers = [
        f"- candidate {place.number}: {plain(place.reason, 200)}"
        for place in (verdict.ranking if verdict else ())
        if place.number != (verdict.winner if verdict else None)
    ]
    return "\n".join(lines) + f"\n\n{reason}" + ("\n\n" + "\n".join(losers) if losers else "")


def _reproduce(result: SessionResult, winner: CandidateResult | None) -> str:
    lines = ["git fetch origin +refs/notes/mimo:refs/notes/mimo", f"git switch {result.result_branch}"]
    lines.append(f"git mimo ci --base {result.base[:12]}")
    lines += winner.evidence.commands if winner and winner.evidence else ()
    body = "\n".join(escape_controls(line, newlines=False) for line in lines)
    fence = _fence(body, least=3)
    return f"{fence}sh\n{body}\n{fence}\n\nSession {code(result.session)}, base {code(result.base[:12])}."
