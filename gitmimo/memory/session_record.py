"""The record of a session that is committed beside its change: what was wanted, tried, found and spent."""

from gitmimo.memory.front_matter import write_document
from gitmimo.records import CandidateResult, Outcome, SessionId, SessionResult
from gitmimo.redact import redact
from gitmimo.visible import visible

MAX_RECORD_BYTES = 10_000
_MAX_TASK = 3_000
_MAX_LINE = 160


def record_path(session: SessionId) -> str:
    """Where a session's record lies in the tree."""
    return f".mimo/sessions/{session}.md"


def write_session_record(result: SessionResult, *, lessons: tuple[str, ...] = ()) -> bytes:
    """Format the record, at most 10 KB: what doesn't fit is cut, secrets are taken out, nothing hidden goes in."""
    for shown in (len(result.candidates), 16, 8, 4, 2):
        data = _write(result, lessons, shown=shown)
        if len(data) <= MAX_RECORD_BYTES:
            break
    return data


def _write(result: SessionResult, lessons: tuple[str, ...], *, shown: int) -> bytes:
    winner = result.verdict.winner if result.verdict else None
    header = {
        "session": str(result.session),
        "status": result.status.value,
        "base": str(result.base),
        "winner": "none" if winner is None else str(winner),
        "candidates": str(len(result.candidates)),
        "started": result.started.isoformat() if result.started else "",
        "model_calls": str(result.llm_calls),
        "tokens": str(result.usage.total),
        "usd": f"{result.cost_usd:.6f}",
    }
    parts = [
        "# Task\n\n" + _indented(_plain(result.task, _MAX_TASK)),
        "# Verdict\n\n" + _line(result.verdict.reason if result.verdict else result.message),
        "# Candidates\n\n" + _candidates(result, winner, shown),
    ]
    if result.assumptions:
        parts.append("# Assumptions\n\n" + "\n".join(f"- {_line(text)}" for text in result.assumptions))
    if lessons:
        parts.append("# Lessons\n\n" + "\n".join(f"- {_line(lesson)}" for lesson in lessons))
    return write_document(header, "\n\n".join(parts) + "\n")


def _candidates(result: SessionResult, winner: int | None, shown: int) -> str:
    lines = []
    for candidate in result.candidates[:shown]:
        evidence = candidate.evidence
        tests = f"{evidence.tests_passed}/{evidence.tests_run} tests" if evidence else "no product"
        size = f", +{evidence.diff.added} -{evidence.diff.removed}" if evidence else ""
        mark = " **won**" if candidate.number == winner else ""
        lines.append(
            f"- {candidate.number}{mark} ({candidate.model or candidate.strategy}): {candidate.status}, "
            f"{candidate.steps} steps, {candidate.usage.total} tokens, {tests}{size}"
        )
        lines += [f"  - {text}" for text in _about(candidate)]
    if len(result.candidates) > shown:
        lines.append(f"- and {len(result.candidates) - shown} more")
    return "\n".join(lines)


def _about(candidate: CandidateResult) -> list[str]:
    about = []
    if candidate.approach:
        about.append(f"approach: {_line(candidate.approach)}")
    if candidate.summary:
        about.append(f"said: {_line(candidate.summary)}")
    if candidate.evidence:
        failed = [g for g in candidate.evidence.gates if g.outcome not in (Outcome.PASS, Outcome.SKIPPED)]
        about += [f"failed at {gate.name}: {_line(gate.detail)}" for gate in failed[:2]]
    return about


def _plain(text: str, limit: int) -> str:
    safe = visible(redact(text)[0])
    return safe if len(safe) <= limit else safe[:limit] + " […]"


def _line(text: str) -> str:
    return " ".join(_plain(text, 10_000).split())[:_MAX_LINE]


def _indented(text: str) -> str:
    return "\n".join(f"> {line}" for line in text.splitlines())
