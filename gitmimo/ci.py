"""Test one branch again from its base and compare the result with the evidence in its note."""

import contextlib
import enum
import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from gitmimo.behaviour import BehaviourReport
from gitmimo.config import Config
from gitmimo.errors import RepoError, UsageError
from gitmimo.evaluator.evaluate import EvidenceStore
from gitmimo.evaluator.verdict import decide
from gitmimo.evidence import CandidateFacts, Evidence
from gitmimo.git.commit import read_trailers
from gitmimo.git.repository import Repository
from gitmimo.git.trees import without_mimo
from gitmimo.ids import Oid, SessionId, is_session_id, new_session_id
from gitmimo.workflow.evaluate import SessionEvaluator, open_evaluator
from gitmimo.workflow.evidence_notes import DamagedNote, EvidenceNote, find_evidence, write_evidence

MOST_COMMITS = 200


class NoteState(enum.StrEnum):
    """How a branch's note compares with the new measurement."""

    NONE = "none"
    CONFIRMED = "confirmed"
    STALE = "stale"  # about another tree or base, so it says nothing here
    CONTRADICTED = "contradicted"
    DAMAGED = "damaged"


class Level(enum.StrEnum):
    """The severity of a finding."""

    ERROR = "error"
    WARNING = "warning"
    NOTICE = "notice"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One finding to report; `rule` names its kind, `path` the file where it has one."""

    rule: str
    level: Level
    message: str
    path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CiReport:
    """The result for one commit. `evidence` is None when nothing changed outside `.mimo/`.

    `doubts` are the reasons why a person has to decide about a session's result; empty for other branches.
    """

    commit: Oid
    base: Oid
    evidence: Evidence | None
    note_state: NoteState
    session: SessionId | None = None
    differences: tuple[str, ...] = ()
    note_required: bool = False
    recorded: bool = False
    doubts: tuple[str, ...] = ()
    behaviour: BehaviourReport | None = None
    note: EvidenceNote | None = None  # as it was before

    @property
    def needs_person(self) -> bool:
        """Whether every gate passed and only a person's decision is missing."""
        return self.passed and bool(self.doubts)

    @property
    def passed(self) -> bool:
        """Whether the branch may be merged as far as a machine can say."""
        if self.note_state in (NoteState.CONTRADICTED, NoteState.DAMAGED):
            return False
        if self.note_required and self.evidence is not None and self.note_state is not NoteState.CONFIRMED:
            return False
        return self.evidence is None or self.evidence.passed

    @property
    def outcome(self) -> str:
        """The outcome in the words of `start`."""
        return "needs a person" if self.needs_person else "passed" if self.passed else "failed"

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings, the most serious first."""
        return tuple(sorted(_findings(self), key=lambda finding: list(Level).index(finding.level)))


def find_base(repository: Repository, commit: Oid, wanted: str | None) -> Oid:
    """Return the commit that the branch started from: its merge base with `wanted` or with the default branch."""
    names = [wanted] if wanted else ["origin/HEAD", "origin/main", "origin/master", "main", "master"]
    for name in names:
        try:
            other = repository.resolve(name)
        except RepoError:
            if wanted:
                raise
            continue
        done = repository.run("merge-base", other, commit, check=False)
        if done.exit_code == 0:
            return Oid(done.text.splitlines()[0])
        if wanted:
            hint = "git fetch --unshallow" if repository.is_shallow else ""
            raise RepoError(f"no common history with `{wanted}`", hint=hint)
    raise UsageError("cannot determine where the branch started", hint="git mimo ci --base origin/main")


def check_commit(
    repository: Repository,
    config: Config,
    commit: Oid,
    base: Oid,
    *,
    observe: Callable[[str], None] = lambda _: None,
) -> CiReport:
    """Test the commit's product from scratch and compare with its note.

    `config` must be the base's, not the branch's: commands come from there. No cache is read.
    """
    product = without_mimo(repository, repository.tree_of(commit))
    note, state = _read_note(repository, commit)
    task, session = _origin(repository, base, commit)
    session = note.session if note else session
    report = CiReport(commit=commit, base=base, evidence=None, note_state=NoteState.NONE, session=session, note=note)
    if product == without_mimo(repository, repository.tree_of(base)):
        return report
    evidence, behaviour = _measure(repository, config, report, task, observe=observe)
    differences: tuple[str, ...] = ()
    if note is not None:
        state, differences = compare(note.evidence, evidence)
    report = replace(report, evidence=evidence, behaviour=behaviour, note_state=state, differences=differences)
    return replace(report, doubts=_doubts(config, report)) if session is not None else report


def record(repository: Repository, report: CiReport) -> CiReport:
    """Write what was found as the commit's note, unless its note says just that."""
    evidence, note = report.evidence, report.note
    if evidence is None or (report.note_state is NoteState.CONFIRMED and not report.differences):
        return report
    if report.session is None:
        raise UsageError(
            "no commit of this branch came from a session, so there is nothing to record it under",
            hint=f"git mimo ci --base {report.base[:12]}   # without --record",
        )
    fresh = note or EvidenceNote(session=report.session, candidate=0, evidence=evidence)
    write_evidence(repository, [evidence.tree], replace(fresh, evidence=evidence, patches=()), commits=[report.commit])
    state = NoteState.CONFIRMED if evidence.passed else report.note_state
    return replace(report, recorded=True, note_state=state)


def compare(claimed: Evidence, found: Evidence) -> tuple[NoteState, tuple[str, ...]]:
    """Compare a note's evidence with what was measured; pure.

    What follows from the trees alone must agree. Counts of tests may differ between machines: they contradict only
    where the note says that it comes from the same surroundings.
    """
    if claimed.tree != found.tree:
        return NoteState.STALE, (f"the note is about tree {claimed.tree[:12]}, the branch has {found.tree[:12]}",)
    if claimed.base != found.base:
        return NoteState.STALE, (f"the note was measured from base {claimed.base[:12]}, not {found.base[:12]}",)
    hard = []
    if claimed.passed and not found.passed:
        failed = ", ".join(f"{gate.name} ({gate.detail or gate.outcome.value})" for gate in found.failed_gates)
        hard.append(f"the note says that all gates passed; measured: {failed}")
    if (claimed.diff.added, claimed.diff.removed) != (found.diff.added, found.diff.removed):
        lines = [f"+{diff.added} -{diff.removed}" for diff in (claimed.diff, found.diff)]
        hard.append(f"the note counts {lines[0]} lines, git {lines[1]}")
    if set(claimed.restored_paths) != set(found.restored_paths):
        hard.append("the note names other protected files that were changed")
    if claimed.passed and set(found.broken_ids) - set(claimed.broken_ids):
        hard.append(f"tests that the note does not call broken: {', '.join(sorted(found.broken_ids)[:5])}")
    counts = (
        ("tests that passed", claimed.tests_passed, found.tests_passed),
        ("tests that ran", claimed.tests_run, found.tests_run),
        ("tests that were fixed", len(claimed.fixed_ids), len(found.fixed_ids)),
    )
    soft = [f"{name}: the note says {said}, measured {measured}" for name, said, measured in counts if said != measured]
    if hard or (soft and claimed.fingerprint == found.fingerprint):
        return NoteState.CONTRADICTED, (*hard, *soft)
    return NoteState.CONFIRMED, tuple(soft)


def _read_note(repository: Repository, commit: Oid) -> tuple[EvidenceNote | None, NoteState]:
    try:
        found = find_evidence(repository, commit, by_patch=False)
    except DamagedNote:
        return None, NoteState.DAMAGED
    return (found.note, NoteState.STALE) if found else (None, NoteState.NONE)


def _measure(
    repository: Repository, config: Config, report: CiReport, task: str, *, observe: Callable[[str], None]
) -> tuple[Evidence, BehaviourReport | None]:
    prepared = open_evaluator(repository, config, report.base, new_session_id(), task_text=task)
    with tempfile.TemporaryDirectory(prefix="mimo-ci-") as nowhere:
        judge = SessionEvaluator(prepared.testbed, EvidenceStore(Path(nowhere)), task)
        with contextlib.closing(judge):
            observe(f"running the tests of base {report.base[:12]} twice")
            observe(f"base: {judge.measure_base()}")
            observe(f"judging {report.commit[:12]}")
            evidence = judge.evaluate(report.commit)
            return evidence, judge.compare({1: evidence}) if evidence.passed else None


def _doubts(config: Config, report: CiReport) -> tuple[str, ...]:
    """Why a person has to decide: from the session's confirmed verdict, else from the new measurement."""
    evidence, note = report.evidence, report.note
    if evidence is None or not evidence.passed:
        return ()
    trusts = bool(config["trustTests"])
    if note is not None and note.verdict is not None and report.note_state is NoteState.CONFIRMED and not trusts:
        return note.verdict.doubts
    facts = [CandidateFacts(number=1, evidence=evidence)]
    return decide(facts, behaviour=report.behaviour, trust_tests=trusts).doubts


def _origin(repository: Repository, base: Oid, commit: Oid) -> tuple[str, SessionId | None]:
    """The task and the session of the branch, from its commits' messages; empty and None where no session made one."""
    said = repository.run("log", "-z", "--format=%B", f"--max-count={MOST_COMMITS}", f"{base}..{commit}").text
    task, session = "", None
    for message in said.split("\0"):
        name = read_trailers(message).get("Mimo-Session", "") if "Mimo-Session:" in message else ""
        session = session or (SessionId(name) if is_session_id(name) else None)
        if "Mimo-Candidate:" in message and not task:
            task = re.split(r"\n\n(?=[A-Za-z-]+: )", message, maxsplit=1)[0].strip()
    return task, session


def _findings(report: CiReport) -> Iterator[Finding]:
    evidence = report.evidence
    if evidence is None:
        yield Finding(rule="unchanged", level=Level.NOTICE, message="nothing changed outside .mimo/")
        return
    for gate in evidence.failed_gates:
        message = f"gate {gate.name}: {gate.detail or gate.outcome.value}"
        yield Finding(rule=f"gate/{gate.name.replace(' ', '-')}", level=Level.ERROR, message=message)
    changed = {change.path for change in evidence.diff.files}
    for kind, names, said in (
        ("broken", evidence.broken_ids, "passed on base and fails now"),
        ("missing", evidence.missing_ids, "passed on base and is gone"),
    ):
        for name in names[:50]:
            path = name.partition("::")[0]
            path = path if path in changed else ""
            yield Finding(rule=f"test/{kind}", level=Level.ERROR, message=f"{name} {said}", path=path)
    level = Level.ERROR if report.note_state is NoteState.CONTRADICTED else Level.NOTICE
    for text in report.differences:
        yield Finding(rule="note/differs", level=level, message=text)
    if report.note_state is NoteState.DAMAGED:
        yield Finding(rule="note/damaged", level=Level.ERROR, message="the note cannot be read")
    if report.note_required and report.note_state in (NoteState.NONE, NoteState.STALE):
        message = f"the branch's note is {report.note_state.value}; git mimo ci --record writes one"
        yield Finding(rule="note/required", level=Level.ERROR, message=message)
    for doubt in report.doubts:
        yield Finding(rule="needs-person", level=Level.WARNING, message=f"needs a person: {doubt}")
    for path in evidence.restored_paths:
        message = "a protected file was changed; it was judged with the base's version"
        yield Finding(rule="protected", level=Level.WARNING, message=message, path=path)
    for flag in evidence.flags:
        yield Finding(rule="look-at", level=Level.WARNING, message=flag)
