"""The text of a pull request: what was asked, what was done, why it won, and what to look at first."""

import re

from gitmimo.evaluator.review_flags import REVIEW
from gitmimo.evidence import DiffFacts, Evidence, Outcome
from gitmimo.format import counted, seconds, tokens, usd
from gitmimo.git.diff import diff_facts
from gitmimo.git.repository import Repository
from gitmimo.report.differences import differences_of
from gitmimo.results import CandidateResult, SessionResult
from gitmimo.text import escape_controls
from gitmimo.workflow.land import result_tip, subject_of
from gitmimo.workflow.pull_request import is_tested

MAX_CHARACTERS = 40_000
_MARKS = {Outcome.PASS: "pass", Outcome.FAIL: "**fail**", Outcome.UNKNOWN: "**unknown**", Outcome.SKIPPED: "–"}


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
        "## Cost\n\n" + _cost(result),
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
    longest = max((len(run) for run in re.findall(r"`+", shown)), default=0)
    fence = "`" * (longest + 1)
    return f"{fence} {shown} {fence}" if longest else f"`{shown}`"


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
    evidence = winner.evidence if winner else None
    if evidence:
        marks = {flag: "Needs a person: " if flag.startswith(REVIEW) else "" for flag in evidence.flags}
        items += [f"{mark}{plain(flag.removeprefix(REVIEW))}" for flag, mark in marks.items()]
        items += [f"{code(path)} is protected: the base's version was kept" for path in evidence.restored_paths]
        items += [f"{code(name)} is flaky on base and was set aside" for name in evidence.flaky_ids[:10]]
    critic = result.verdict.critic if result.verdict else None
    if critic and winner:
        own = {str(winner.number): "the whole", **_files_of(winner)}
        items += [f"Critic on {own[key]}: {plain(text)}" for key, text in critic.comments.items() if key in own]
    if critic and critic.failed:
        items.append(f"No critic's opinion: {plain(critic.failed)}")
    if evidence and not items:
        largest = sorted(evidence.diff.files, key=lambda change: -(change.added + change.removed))[:3]
        items = [f"{code(change.path)}: +{change.added} −{change.removed}" for change in largest]
    return "\n".join(f"- {item}" for item in items) or "Nothing stands out."


def _files_of(candidate: CandidateResult) -> dict[str, str]:
    files = candidate.evidence.diff.files if candidate.evidence else ()
    return {f"{candidate.number}:{change.path}": code(change.path) for change in files}


def _table(result: SessionResult) -> str:
    gates = list(dict.fromkeys(g.name for c in result.candidates if c.evidence for g in c.evidence.gates))
    heads = ["", "model", *gates, "tests", "fixed", "diff"]
    lines = [f"| {' | '.join(plain(head) for head in heads)} |", f"|{'---|' * len(heads)}"]
    winner = result.verdict.winner if result.verdict else None
    for candidate in result.candidates:
        evidence = candidate.evidence
        said = {gate.name: _MARKS[gate.outcome] for gate in evidence.gates} if evidence else {}
        cells = [
            f"**{candidate.number}**" if candidate.number == winner else str(candidate.number),
            plain(candidate.worker, 60),
            *(said.get(gate, "–") for gate in gates),
            f"{evidence.tests_passed}/{evidence.tests_run}" if evidence else "–",
            str(len(evidence.fixed_ids)) if evidence else "–",
            f"+{evidence.diff.added} −{evidence.diff.removed}" if evidence else "–",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    reason = plain(result.verdict.reason, 600) if result.verdict else ""
    losers = [
        f"- candidate {place.number}: {plain(place.reason, 200)}"
        for place in (result.verdict.ranking if result.verdict else ())
        if place.number != winner
    ]
    return "\n".join(lines) + f"\n\n{reason}" + ("\n\n" + "\n".join(losers) if losers else "")


def _cost(result: SessionResult) -> str:
    return (
        f"{usd(result.cost_usd)}, {tokens(result.usage.total)} tokens in {counted(result.llm_calls, 'model call')}, "
        f"{seconds(result.seconds)}, {counted(len(result.candidates), 'candidate')}."
    )


def _reproduce(result: SessionResult, winner: CandidateResult | None) -> str:
    lines = ["git fetch origin +refs/notes/mimo:refs/notes/mimo", f"git switch {result.result_branch}"]
    lines.append(f"git mimo ci --base {result.base[:12]}")
    lines += _commands(winner.evidence) if winner and winner.evidence else []
    body = "\n".join(escape_controls(line, newlines=False) for line in lines)
    fence = "`" * (max((len(run) for run in re.findall(r"`+", body)), default=2) + 1)
    fence = fence if len(fence) >= 3 else "```"
    return f"{fence}sh\n{body}\n{fence}\n\nSession {code(result.session)}, base {code(result.base[:12])}."


def _commands(evidence: Evidence) -> list[str]:
    """The commands without this machine's places: a program is named as others call it."""
    return [re.sub(r"^/\S*/", "", command) for command in evidence.commands]
