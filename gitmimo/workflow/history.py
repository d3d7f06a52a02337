"""What past sessions left: what a resumed one has reached, and candidates' steps from the records on their commits."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from gitmimo import ids
from gitmimo.codec import from_json
from gitmimo.errors import JournalError
from gitmimo.git import refs
from gitmimo.git.repository import Repository
from gitmimo.ids import Oid, SessionId
from gitmimo.journal import read_journal
from gitmimo.records import CandidateResult, SessionResult, Step
from gitmimo.workflow.directories import Home, journal_path

TRAJECTORY = ".mimo/trajectory"


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What a session that is resumed had already reached, so that it is neither paid nor done again."""

    results: Mapping[int, CandidateResult] = field(default_factory=dict)  # each candidate's last, judged or not
    approaches: tuple[str, ...] = ()
    decided: SessionResult | None = None  # with a winner; what is left is to publish it


def read_past(repository: Home, session: SessionId) -> Past:
    """What a cut-off session had reached, from its journal."""
    results: dict[int, CandidateResult] = {}
    approaches: tuple[str, ...] = ()
    decided: SessionResult | None = None
    for entry in read_journal(journal_path(repository, session)):
        if not entry.done:
            continue
        match entry.event:
            case "worked" | "candidate":
                found = from_json(CandidateResult, entry.data["result"])
                results[found.number] = found
            case "approaches":
                approaches = tuple(entry.data["approaches"])
            case "decided":
                decided = from_json(SessionResult, entry.data["result"])
    return Past(results=results, approaches=approaches, decided=decided)


def find_tip(repository: Repository, session: SessionId, candidate: CandidateResult) -> Oid | None:
    """Return a candidate's last commit: its kept ref, else its branch, else what was recorded if it is still here."""
    for name in (ids.candidate_ref(session, candidate.number), f"refs/heads/{candidate.branch}"):
        if candidate.branch or name.startswith("refs/mimo/"):
            tip = refs.read_ref(repository, name)
            if tip is not None:
                return tip
    if candidate.commit and repository.has_object(candidate.commit):
        return candidate.commit
    return None


def read_steps(repository: Repository, result: SessionResult, candidate: CandidateResult) -> tuple[Step, ...]:
    """Return the candidate's steps in order, each with its commit; none when this clone lacks its branch.

    JournalError when a record cannot be read: it is shown as damaged, never left out.
    """
    tip = find_tip(repository, result.session, candidate)
    if tip is None:
        return ()
    return read_steps_at(repository, result.session, candidate.number, base=result.base, tip=tip)


def read_steps_at(repository: Repository, session: SessionId, number: int, *, base: Oid, tip: Oid) -> tuple[Step, ...]:
    """Return a candidate's steps as they stand at a commit of its branch."""
    folder = f"{TRAJECTORY}/{session}/{number}"
    entry = repository.find_entry(tip, folder)
    if entry is None:
        return ()
    commits = _commits_by_record(repository, base, tip, folder)
    steps = []
    for item in repository.list_paths(entry.oid):
        name = f"{folder}/{item.path}"
        try:
            step: Step = from_json(Step, json.loads(repository.read_object(item.oid)))
        except (ValueError, TypeError, KeyError) as exc:
            raise JournalError(f"cannot read the step `{name}`: {exc}") from exc
        steps.append(replace(step, commit=commits.get(name, step.commit)))
    return tuple(sorted(steps, key=lambda step: step.number))


def _commits_by_record(repository: Repository, base: Oid, tip: Oid, folder: str) -> dict[str, Oid]:
    """Map each step's file to the commit that added it."""
    span = [f"{base}..{tip}"] if base and repository.has_object(base) else [tip]
    listed = repository.run(
        *("log", "--no-renames", "--diff-filter=A", "--name-only", "-z", "--format=%x01%H"), *span, "--", folder
    ).text
    found: dict[str, Oid] = {}
    for block in listed.split("\x01")[1:]:
        oid, *names = [part for part in block.replace("\n", "\0").split("\0") if part]
        for name in names:
            found.setdefault(name, Oid(oid))
    return found
