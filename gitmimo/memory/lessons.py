"""Lessons by contrast: what the gates said of losers and winner of one session, at most three, each with its evidence.

Sentences are made here from paths, test ids, gate names and commands; what tools or files said is never quoted.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from gitmimo.errors import BadMemory, SecretFound
from gitmimo.memory.commands import program_of
from gitmimo.memory.facts import Fact, FactKind, FactStatus, Source, new_fact
from gitmimo.memory.material import SessionMaterial
from gitmimo.memory.recorded import Doing
from gitmimo.records import ActionKind, Oid
from gitmimo.redact import redact
from gitmimo.results import CandidateResult
from gitmimo.text import escape_controls

MOST_LESSONS = 3
_NOT_FOUND = re.compile(r"command not found|not found\s*$|No module named", re.M)


def find_lessons(
    material: SessionMaterial,
    winner: CandidateResult | None,
    *,
    sources: Sequence[Source],
    failed: Sequence[Doing] = (),
    worked: Sequence[str] = (),
    known: Mapping[str, str] | None = None,
) -> tuple[Fact, ...]:
    """Return what the session teaches. Verified only where a winner passed the gates.

    `sources` are the winner's files with their blobs, `failed` commands that failed, `worked` those that did not.
    """
    found: list[Fact] = []
    for text, commits in _sentences(material, winner, failed, worked):
        clean = escape_controls(redact(text, known)[0], newlines=False)
        try:
            fact = new_fact(
                kind=FactKind.LESSON,
                text=clean[:380],
                created=material.result.started or datetime(2025, 1, 1, tzinfo=UTC),
                status=FactStatus.VERIFIED if winner is not None else FactStatus.UNVERIFIED,
                sessions=[material.result.session],
                commits=commits,
                sources=sources if winner is not None else (),
            )
        except (BadMemory, SecretFound):
            continue
        if fact.id not in {known_fact.id for known_fact in found}:
            found.append(fact)
        if len(found) == MOST_LESSONS:
            break
    return tuple(found)


def _sentences(
    material: SessionMaterial, winner: CandidateResult | None, failed: Sequence[Doing], worked: Sequence[str]
) -> Iterator[tuple[str, list[Oid]]]:
    losers = list(material.losers)
    if winner is not None:
        yield from _broken_tests(losers, winner)
        yield from _dead_ends(material, losers, winner)
        yield from _wrong_commands(failed, worked, winner)
    elif len(losers) > 1:
        yield from _all_failed(material, losers)


def _broken_tests(losers: Sequence[CandidateResult], winner: CandidateResult) -> Iterator[tuple[str, list[Oid]]]:
    """A loser broke a test by changing files that the winner left alone."""
    mine = _paths(winner)
    for loser in losers:
        assert loser.evidence is not None
        broken = loser.evidence.broken_ids or loser.evidence.missing_ids
        others = sorted(_paths(loser) - mine)
        if broken and others:
            verb = "broke" if loser.evidence.broken_ids else "lost"
            # without parameters, which are anybody's words
            tests = dict.fromkeys(re.split(r"[\[\s]", name)[0] for name in sorted(broken))
            text = f"Do not change {_listed(others)} for this: it {verb} {_listed(list(tests))}"
            yield f"{text}; changing {_listed(sorted(mine))} instead passed every gate.", _commits(loser, winner)


def _dead_ends(
    material: SessionMaterial, losers: Sequence[CandidateResult], winner: CandidateResult
) -> Iterator[tuple[str, list[Oid]]]:
    """An approach failed a gate where another one passed all."""
    for loser in losers:
        assert loser.evidence is not None
        gates = [gate.name for gate in loser.evidence.failed_gates]
        if gates and loser.approach and loser.approach != winner.approach:
            text = f"For `{_short(_title(material), 90)}`: not by `{_short(loser.approach, 80)}`, which failed"
            text += f" {_listed(gates)}; changing {_listed(sorted(_paths(winner)))} another way passed every gate."
            yield text, _commits(loser, winner)


def _wrong_commands(
    failed: Sequence[Doing], worked: Sequence[str], winner: CandidateResult
) -> Iterator[tuple[str, list[Oid]]]:
    """A program that is not there, and the command that did the same in the end."""
    for doing in failed:
        if doing.action.kind is not ActionKind.SHELL or not _NOT_FOUND.search(doing.said):
            continue
        program = program_of(doing.action.text)
        if not re.fullmatch(r"[a-z][a-z0-9._-]{1,30}", program):
            continue
        instead = next((c for c in worked if program in c and program_of(c) != program and len(c) < 120), "")
        if instead:
            yield f"`{program}` does not run here by itself; `{_short(instead, 120)}` does.", _commits(winner)


def _all_failed(material: SessionMaterial, losers: Sequence[CandidateResult]) -> Iterator[tuple[str, list[Oid]]]:
    gates = sorted({gate.name for loser in losers if loser.evidence for gate in loser.evidence.failed_gates})
    task = _short(_title(material), 120)
    yield f"{len(losers)} attempts at `{task}` all failed {_listed(gates)}; none is known to work.", _commits(*losers)


def _paths(candidate: CandidateResult) -> set[str]:
    return {change.path for change in candidate.evidence.diff.files} if candidate.evidence else set()


def _commits(*candidates: CandidateResult) -> list[Oid]:
    return [candidate.commit for candidate in candidates if candidate.commit is not None]


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(f"`{_short(name, 80)}`" for name in names[:2])
    return shown + (f" and {len(names) - 2} more" if len(names) > 2 else "")


def _title(material: SessionMaterial) -> str:
    """The task's first line: what follows may be an issue of anybody's."""
    return next((line for line in material.result.task.splitlines() if line.strip()), "")


def _short(text: str, limit: int) -> str:
    text = " ".join(text.replace("`", "'").split())
    return text if len(text) <= limit else f"{text[: limit - 1].rstrip()}…"
