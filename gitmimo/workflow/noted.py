"""A session read back from its note, in a clone that did not run it: the winner, its evidence and the verdict."""

import re

from gitmimo.errors import UsageError
from gitmimo.git.commit import read_trailers
from gitmimo.git.repository import Repository
from gitmimo.records import Oid, SessionId
from gitmimo.results import CandidateResult, SessionResult, SessionStatus
from gitmimo.workflow.evidence_notes import DamagedNote, EvidenceNote, noted_objects, read_evidence
from gitmimo.workflow.history import find_session, read_session
from gitmimo.workflow.steps import has_object


def read_known_session(repository: Repository, name: str | None) -> SessionResult:
    """Read a session from its journal, or from its note where the journal is elsewhere.

    UsageError when neither is here; the hint says how to fetch the notes.
    """
    try:
        return read_session(repository, find_session(repository, name)).result
    except UsageError as exc:
        noted = find_noted_session(repository, name)
        if noted is None:
            hint = "git fetch origin +refs/notes/mimo:refs/notes/mimo   # for sessions of others"
            raise UsageError(exc.message, hint=f"{exc.hint}\n{hint}".strip()) from exc
        return noted


def find_noted_session(repository: Repository, name: str | None) -> SessionResult | None:
    """Return the session that a name stands for, the newest without one, as far as notes tell; None without a note."""
    found: dict[SessionId, list[tuple[Oid, EvidenceNote]]] = {}
    for target in noted_objects(repository):
        try:
            note = read_evidence(repository, target)
        except DamagedNote:
            continue
        if note is not None:
            found.setdefault(note.session, []).append((target, note))
    wanted = (name or "").rstrip("/").rpartition("/")[2].rpartition("-")[2]
    matching = sorted(session for session in found if session.startswith(wanted))
    if not matching:
        return None
    if wanted and len(matching) > 1:
        raise UsageError(f"more than one session begins with `{wanted}`: {', '.join(matching[:5])}")
    return _rebuild(repository, matching[-1], found[matching[-1]])


def _rebuild(repository: Repository, session: SessionId, notes: list[tuple[Oid, EvidenceNote]]) -> SessionResult:
    note = max((note for _, note in notes), key=lambda note: len(note.outcomes))
    change, tip, message = _commits(repository, [target for target, _ in notes])
    trailers = read_trailers(message)
    candidate = CandidateResult(
        number=note.candidate,
        branch="",
        approach="",
        model=trailers.get("Assisted-by", "").removeprefix("git-mimo:"),
        strategy="",
        status="finished",
        commit=change,
        tree=note.evidence.tree,
        evidence=note.evidence,
    )
    return SessionResult(
        session=session,
        status=SessionStatus.PASSED if note.evidence.passed else SessionStatus.FAILED,
        task=re.split(r"\n\n(?=[A-Za-z-]+: )", message, maxsplit=1)[0].strip() or f"session {session}",
        base=note.evidence.base,
        target_branch=None,
        candidates=(candidate,),
        verdict=note.verdict,
        result_commit=tip,
        message="read from its note; the other candidates are in the clone that ran the session",
    )


def _commits(repository: Repository, targets: list[Oid]) -> tuple[Oid | None, Oid | None, str]:
    """Find the change commit, the result's tip and the change's message among what is noted and here."""
    change: Oid | None = None
    tip: Oid | None = None
    message = ""
    for target in targets:
        if not has_object(repository, f"{target}^{{commit}}"):
            continue
        text = repository.run("log", "-n1", "--format=%B", target).text
        if "Mimo-Candidate:" in text:
            change, message = target, text
        else:
            tip = target
    return change, tip or change, message
