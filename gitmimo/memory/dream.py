"""The dream: what sessions left behind becomes facts, skills and records, as files for the caller to commit.

Nothing here moves a ref or writes into a checkout. Trajectories are read and never changed. Only what the gates or a
person labelled is learned from; whatever is written passes the secret scan.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from gitmimo.errors import BadMemory, CheckError, SecretFound, machine_fault
from gitmimo.git.repository import Repository
from gitmimo.llm.model import Model
from gitmimo.memory.facts import Fact, Source
from gitmimo.memory.front_matter import read_document
from gitmimo.memory.lessons import find_lessons
from gitmimo.memory.library import read_library, retire_surplus
from gitmimo.memory.material import SessionMaterial
from gitmimo.memory.polish import polish_skill
from gitmimo.memory.recorded import Walk, read_steps, walk
from gitmimo.memory.replay import Bench
from gitmimo.memory.session_record import DREAMED, MAX_BYTES, read_labels, read_told, record_path, write_session_record
from gitmimo.memory.skill_file import Skill, tree_changes
from gitmimo.memory.skill_making import Made, Workshop, make_from_session
from gitmimo.memory.store import Changes, add_facts, attributes_change, pin_sources
from gitmimo.records import Oid
from gitmimo.redact import find_secrets
from gitmimo.results import CandidateResult

_MOST_SOURCES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What one session gave."""

    session: str
    facts: tuple[Fact, ...] = ()
    skill: Skill | None = None
    note: str = ""  # why there is no skill
    recorded_steps: int = 0
    kept_steps: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DreamResult:
    """The changes to commit and what they are; without changes `nothing_because` says why."""

    changes: Mapping[str, bytes | None] = field(default_factory=dict)
    skill: str | None = None
    skills: tuple[str, ...] = ()
    facts: tuple[Fact, ...] = ()
    learned: tuple[Learned, ...] = ()
    message: str = ""
    nothing_because: str = ""

    @property
    def is_empty(self) -> bool:
        return not self.changes


def dream(
    repository: Repository,
    sessions: Sequence[SessionMaterial],
    *,
    commit: Oid,
    bench: Bench,
    now: datetime,
    model: Model | None = None,
    known: Mapping[str, str] | None = None,
    accepts: Callable[[Oid], bool] | None = None,
    again: bool = False,
) -> DreamResult:
    """Learn from sessions and return the changes to the commit's `.mimo/`.

    `bench` replays procedures, `known` holds secret values by name, `accepts` runs the gates on a product tree of
    another commit. `model` only names things. A session that was dreamed of before is passed over unless `again`. The
    same sessions on the same commit give the same changes, but for the date.
    """
    ordered = sorted(sessions, key=lambda item: item.result.session)
    fresh = [item for item in ordered if again or not _is_dreamed(repository, commit, item)]
    if not fresh:
        why = "every session was dreamed of already" if sessions else "no session to dream of"
        return DreamResult(nothing_because=why)
    workshop = Workshop(
        bench=bench,
        library=read_library(repository, commit),
        now=now,
        accepts=accepts,
        known=known,
        name_it=lambda general: polish_skill(model, general) if model is not None else None,
    )
    before = workshop.library.skills
    learned: list[Learned] = []
    changes: Changes = {}
    for material in fresh:
        found, record = _learn(workshop, material, commit)
        learned.append(found)
        if record is not None:
            changes[record_path(material.result.session)] = record
        if found.skill is not None:
            changes |= tree_changes(found.skill)
            library = workshop.library
            workshop = replace(workshop, library=replace(library, skills=(*library.skills, found.skill)))
    facts = tuple(fact for found in learned for fact in found.facts)
    skills = tuple(found.skill.name for found in learned if found.skill is not None)
    if not changes:
        return DreamResult(learned=tuple(learned), nothing_because=_nothing(learned))
    if facts:
        changes |= add_facts(repository, commit, facts)
    if skills:
        changes = {**retire_surplus(before, now=now, arriving=len(skills)), **changes}
        changes |= attributes_change(repository, commit)
    changes = {path: data for path, data in changes.items() if repository.read_blob(commit, path) != data}
    _refuse_secrets(changes, known)
    return DreamResult(
        changes=changes,
        skill=skills[0] if skills else None,
        skills=skills,
        facts=facts,
        learned=tuple(learned),
        message=_message(skills, facts, fresh) if changes else "",
        nothing_because="" if changes else "all of this is known already",
    )


def _learn(workshop: Workshop, material: SessionMaterial, commit: Oid) -> tuple[Learned, bytes | None]:
    """Return what one session gave, and its record where it gave anything."""
    repository, winner = workshop.bench.repository, material.winner
    walked = Walk(kept=(), seen=0, failed=(), worked=())
    sources: tuple[Source, ...] = ()
    if winner is not None and winner.commit is not None:
        walked = walk(read_steps(repository, base=material.result.base, tip=winner.commit))
        sources = pin_sources(repository, commit, _sources(repository, commit, winner))
    facts = find_lessons(
        material, winner, sources=sources, failed=walked.failed, worked=walked.worked, known=workshop.known
    )
    made = _make(workshop, material, winner, walked, facts)
    found = Learned(
        session=material.result.session,
        facts=facts,
        skill=made.skill,
        note=made.reason,
        recorded_steps=walked.seen,
        kept_steps=len(made.steps),
    )
    if not facts and not made.steps:
        return found, None
    steps = [step.summary for step in made.steps]
    if made.skill is None and steps:
        steps.append(f"Stays a note and is no skill: {made.reason}")
    before = repository.read_blob(commit, record_path(material.result.session)) or b""
    record = write_session_record(
        material.result,
        lessons=[fact.text for fact in facts],
        procedure=steps,
        skill=made.skill.name if made.skill else None,
        dreamed=True,
        labels=(*read_labels(before), *material.labels),
        told=material.told or read_told(before),
        known=workshop.known,
    )
    return found, record


def _make(
    workshop: Workshop,
    material: SessionMaterial,
    winner: CandidateResult | None,
    walked: Walk,
    facts: Sequence[Fact],
) -> Made:
    if winner is None:
        return Made(skill=None, reason="no candidate passed the gates")
    pitfalls = tuple(fact.text.splitlines()[0] for fact in facts)
    try:
        return make_from_session(workshop, material, winner, walked.kept, pitfalls=pitfalls)
    except CheckError as exc:
        if machine_fault(exc) is not None:
            raise
        return Made(skill=None, reason=f"the replay could not run: {exc.message}")


def _sources(repository: Repository, commit: Oid, winner: CandidateResult) -> list[str]:
    """The files that the winner changed and that are there, the most changed first."""
    changes = winner.evidence.diff.files if winner.evidence is not None else ()
    ranked = sorted(changes, key=lambda change: (-(change.added + change.removed), change.path))
    there = [change.path for change in ranked if repository.find_entry(commit, change.path) is not None]
    return there[:_MOST_SOURCES]


def _is_dreamed(repository: Repository, commit: Oid, material: SessionMaterial) -> bool:
    data = repository.read_blob(commit, record_path(material.result.session))
    if data is None:
        return False
    try:
        return DREAMED in read_document(data, max_bytes=4 * MAX_BYTES).header
    except BadMemory:
        return False


def _refuse_secrets(changes: Mapping[str, bytes | None], known: Mapping[str, str] | None) -> None:
    """SecretFound rather than a commit with a secret: what is written was cleaned before, so this must not happen."""
    for path, data in changes.items():
        if data is not None and not path.endswith("/scripts/run.py"):
            found = [finding for finding in find_secrets(data, known) if finding.certain]
            if found:
                raise SecretFound(f"the dream would commit a secret: `{path}`, line {found[0].line}, {found[0].rule}")


def _nothing(learned: Sequence[Learned]) -> str:
    reasons = list(dict.fromkeys(found.note for found in learned if found.note))
    return "; ".join(reasons[:3]) or "nothing that the code and git do not say already"


def _message(skills: Sequence[str], facts: Sequence[Fact], sessions: Sequence[SessionMaterial]) -> str:
    parts = [f"add skill {', '.join(skills)}"] if skills else []
    if facts:
        parts.append(f"{'' if parts else 'learn '}{len(facts)} lesson{'s' if len(facts) != 1 else ''}")
    subject = " and ".join(parts) or f"note {len(sessions)} session{'s' if len(sessions) != 1 else ''}"
    lines = [f"dream: {subject}", ""]
    for item in sessions[:10]:
        words = " ".join(item.result.task.split())
        lines.append(f"- {item.result.session}: {words if len(words) <= 100 else words[:99] + '…'}")
    return "\n".join(lines) + "\n"
