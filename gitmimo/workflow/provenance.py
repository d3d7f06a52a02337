"""Where a line came from (commit, session, candidate, step, model, evidence), and which step broke a test."""

import bisect
import functools
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from gitmimo import ids
from gitmimo.errors import RepoError, UsageError
from gitmimo.git import refs
from gitmimo.git.repository import Repository
from gitmimo.git.trees import without_mimo
from gitmimo.ids import Oid, SessionId
from gitmimo.records import CandidateResult, SessionResult, Step
from gitmimo.workflow.evaluate import SessionEvaluator
from gitmimo.workflow.evidence_notes import DamagedNote, EvidenceNote, find_by_session, find_evidence
from gitmimo.workflow.history import read_steps, read_steps_at

_SESSION = re.compile(r"^\s*\*?\s*Mimo-Session: ([0-9a-v]{10})\s*$", re.MULTILINE)
_CANDIDATE = re.compile(r"^\s*\*?\s*Mimo-Candidate: (\d+)/\d+\s*$", re.MULTILINE)
_MODEL = re.compile(r"^\s*\*?\s*Assisted-by: git-mimo:(\S+)\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where one line came from. `how` says by what the evidence was found: commit, tree, patch, session, or nothing."""

    path: str
    line: int
    text: str
    commit: Oid
    author: str
    summary: str
    original_path: str
    original_line: int
    session: SessionId | None = None
    candidate: int | None = None
    model: str = ""
    step: Step | None = None
    note: EvidenceNote | None = None
    how: str = ""
    problem: str = ""  # what stood in the way of knowing more


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenBy:
    """The first step after which a test that passed on base fails, and how many trees were judged to find it."""

    test: str
    step: Step
    commit: Oid
    judged: int


def explain_line(repository: Repository, path: str, line: int, *, rev: str = "HEAD") -> Provenance:
    """Follow a line of a committed file, also when it moved, was squashed or rebased.

    RepoError when the revision has no such line. A line of a person's has no session.
    """
    commit = repository.resolve(rev)
    blamed = _blame(repository, commit, path, line)
    message = repository.run("log", "-n1", "--format=%B", blamed.commit).text
    found, problem = None, ""
    try:
        found = find_evidence(repository, blamed.commit)
    except DamagedNote as exc:
        problem = exc.message
    named = _last_named(_SESSION, message)
    session = found.note.session if found else SessionId(named) if named else None
    if found is None and session is not None:
        found = find_by_session(repository, session)
    note, told = found.note if found else None, _last_named(_CANDIDATE, message)
    number = note.candidate if note is not None else None
    if number is None and told:
        number = int(told)
    step = None
    if session is not None and number is not None:
        step = _step_of(repository, session, number, note, blamed)
    return replace(
        blamed,
        session=session,
        candidate=number,
        model=(step.reply.model if step else "") or _last_named(_MODEL, message),
        step=step,
        note=note,
        how=found.how if found else "",
        problem=problem,
    )


def find_breaking_step(
    repository: Repository,
    judge: SessionEvaluator,
    result: SessionResult,
    candidate: CandidateResult,
    *,
    test: str | None = None,
    observe: Callable[[str], None] = lambda _: None,
) -> BrokenBy | None:
    """Find the first step whose tree breaks a test that passes on base, by halving; None when the last breaks none.

    Every tree is judged as products are: fresh, with the base's protected files. A test that is broken, fixed and
    broken again is found at one of its breaks.
    """
    steps = [step for step in read_steps(repository, result, candidate) if step.commit]
    if not steps:
        raise UsageError(f"no steps of candidate {candidate.number} are in this clone")

    trees = [without_mimo(repository, repository.tree_of(str(step.commit))) for step in steps]

    @functools.cache
    def broken_in(tree: Oid) -> tuple[str, ...]:
        evidence = judge.evaluate(tree)
        return (*evidence.broken_ids, *evidence.missing_ids)

    last = broken_in(trees[-1])
    wanted = test or next(iter(last), "")
    if wanted not in last:
        return None
    base_tree = without_mimo(repository, repository.tree_of(result.base))

    def is_broken(at: int) -> bool:
        observe(f"judging step {steps[at].number} of {len(steps)}")
        return trees[at] != base_tree and wanted in broken_in(trees[at])

    bad = bisect.bisect_left(range(len(steps) - 1), True, key=is_broken)
    judged = broken_in.cache_info().currsize
    return BrokenBy(test=wanted, step=steps[bad], commit=Oid(str(steps[bad].commit)), judged=judged)


def _blame(repository: Repository, commit: Oid, path: str, line: int) -> Provenance:
    if line < 1:
        raise UsageError(f"lines count from 1, not {line}")
    done = repository.run(
        *("--literal-pathspecs", "blame", "--porcelain", "-M", "-C", f"-L{line},{line}", commit, "--", path),
        check=False,
    )
    if done.exit_code:
        said = done.stderr.strip().removeprefix("fatal: ").splitlines()
        raise RepoError(f"cannot blame line {line} of `{path}`: {said[0] if said else 'no such line'}")
    head, *rest = done.stdout.decode("utf-8", "surrogateescape").split("\n")
    oid, original, *_ = head.split(" ")
    facts = dict(entry.partition(" ")[::2] for entry in rest if entry and not entry.startswith("\t"))
    text = next((entry[1:] for entry in rest if entry.startswith("\t")), "")
    return Provenance(
        path=path,
        line=line,
        text=text,
        commit=Oid(oid),
        author=facts.get("author", ""),
        summary=facts.get("summary", ""),
        original_path=facts.get("filename", path),
        original_line=int(original),
    )


def _last_named(pattern: re.Pattern[str], message: str) -> str:
    """What a message names: as trailer, or in the middle of what a forge made of several messages; empty if nothing."""
    return next(reversed(pattern.findall(message)), "")


def _step_of(
    repository: Repository, session: SessionId, number: int, note: EvidenceNote | None, blamed: Provenance
) -> Step | None:
    """Find the candidate's step that wrote the line; None when its steps are not in this clone."""
    tip = refs.read_ref(repository, ids.candidate_ref(session, number))
    if tip is None:
        return None
    data = repository.read_blob(tip, blamed.original_path)
    if data is None:
        return None
    lines = data.decode("utf-8", "surrogateescape").split("\n")
    same = [place for place, text in enumerate(lines, 1) if text == blamed.text]
    if not same:
        return None
    nearest = min(same, key=lambda place: abs(place - blamed.original_line))
    try:
        writer = _blame(repository, tip, blamed.original_path, nearest).commit
    except RepoError:
        return None
    base = note.evidence.base if note and repository.has_object(note.evidence.base) else Oid("")
    steps = read_steps_at(repository, session, number, base=base, tip=tip)
    return next((step for step in steps if step.commit == writer), None)
