"""The end of a session, remembered: its record, and what a dream over it learned; skills tried before any model."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from gitmimo.errors import MimoError
from gitmimo.git import commit, refs, tree
from gitmimo.git.repository import Repository
from gitmimo.llm.model import Model
from gitmimo.memory.dream import DreamResult, dream
from gitmimo.memory.judgements import find_reverted_sessions, note_told
from gitmimo.memory.library import read_library, record_use
from gitmimo.memory.matching import SkillMatch, match_task
from gitmimo.memory.material import SessionMaterial
from gitmimo.memory.outcomes import Label
from gitmimo.memory.prefix import told_fact
from gitmimo.memory.replay import Bench, replay
from gitmimo.memory.session_record import record_path, write_session_record
from gitmimo.memory.skill_file import Skill
from gitmimo.records import Oid, SessionId, utc_now
from gitmimo.results import CandidateResult, SessionResult
from gitmimo.sandbox.base import Sandbox
from gitmimo.workflow import trust
from gitmimo.workflow.judging import Judge
from gitmimo.workflow.progress import Observer, Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """The files of a session's `.mimo/` commit and its subject."""

    files: Mapping[str, bytes | None]
    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dreamer:
    """What a dream needs of a session's surroundings."""

    repository: Repository
    sandbox: Sandbox
    scratch: Path
    model: Callable[[], Model] | None  # asked for only when there is something to name
    known_secrets: Mapping[str, str]
    observe: Observer
    test_command: str = ""

    def dream(self, result: SessionResult, at: Oid, told: tuple[str, ...] = ()) -> DreamResult:
        """Dream over one session as of a commit or tree. Approves the skill it made: its maker is this person."""
        self.observe(Progress(number=0, phase="dream"))
        found = dream(
            self.repository,
            [SessionMaterial(result=result, told=told, test_command=self.test_command)],
            commit=at,
            bench=self.bench,
            now=utc_now(),
            model=self.model() if self.model else None,
            known=self.known_secrets,
        )
        for learned in found.learned:
            if learned.skill is not None:
                trust.approve(self.repository, learned.skill.digest, what=f"skill {learned.skill.name}")
        return found

    @property
    def bench(self) -> Bench:
        """Where procedures are replayed."""
        return Bench(repository=self.repository, sandbox=self.sandbox, scratch=self.scratch)


def remember(
    dreamer: Dreamer | None,
    repository: Repository,
    result: SessionResult,
    winner: CandidateResult,
    *,
    known_secrets: Mapping[str, str],
) -> Remembered:
    """Say what is committed after the change: the session's record, and with a dreamer what was learned.

    A dream that fails costs what it would have learned and nothing else.
    """
    told: tuple[str, ...] = ()
    if winner.number != 0:  # a skill's replay was told nothing
        told = tuple(filter(None, [told_fact(repository, result.base, result.task)]))
    record = {record_path(result.session): write_session_record(result, told=told, known=known_secrets)}
    found = Remembered(files=record, subject=f"mimo: record of session {result.session}")
    if winner.evidence is None:
        return found
    at = tree.with_mimo_from(repository, winner.evidence.landed_tree, repository.tree_of(result.base))
    if dreamer is not None and winner.number != 0:
        found = _learned(dreamer, result, at, told, found)
    used = note_told(repository, tree.put_files(repository, at, found.files), told) if told else {}
    return replace(found, files={**found.files, **used})


def _learned(dreamer: Dreamer, result: SessionResult, at: Oid, told: tuple[str, ...], plain: Remembered) -> Remembered:
    try:
        found = dreamer.dream(result, at, told)
    except MimoError as exc:
        dreamer.observe(Progress(number=0, phase="dream", text=f"nothing learned: {exc.message}"))
        return plain
    if found.is_empty:
        dreamer.observe(Progress(number=0, phase="dream", text=f"nothing learned: {found.nothing_because}"))
        return plain
    dreamer.observe(Progress(number=0, phase="dream", text=found.message.split("\n")[0]))
    return Remembered(files={**plain.files, **found.changes}, subject=found.message.rstrip("\n"))


def find_skill(repository: Repository, base: Oid, task_text: str) -> tuple[SkillMatch | None, bool]:
    """Return the verified skill that fits the task best, if any, and whether it is approved here."""
    match = match_task(read_library(repository, base).skills, task_text)
    return match, match is not None and trust.is_approved(repository, match.skill.digest)


@dataclass(slots=True)
class SkillFirst:
    """Tries a verified skill before any model; what became of it is noted in the session's `.mimo/` commit."""

    repository: Repository
    base: Oid
    session: SessionId
    dreamer: Dreamer
    judge: Judge
    task_text: str
    notes: dict[str, bytes | None] | None = None

    def __call__(self, wait_for_base: Callable[[], None]) -> CandidateResult | None:
        """Replay the skill that fits; None when none fits, it isn't approved, or its replay failed."""
        match, approved = find_skill(self.repository, self.base, self.task_text)
        if match is None:
            return None
        observe = self.dreamer.observe
        origin = match.skill.metadata.get("git-mimo.sessions", "")
        if origin in find_reverted_sessions(self.repository, self.base):
            text = f"{match.skill.name} fits, but the result it was made from was reverted"
            observe(Progress(number=0, phase="skill", text=text))
            return None
        if not approved:
            text = f"{match.skill.name} fits but is not approved: git mimo trust"
            observe(Progress(number=0, phase="skill", text=text))
            return None
        observe(Progress(number=0, phase="skill", text=f"{match.skill.name}: {match.reason}"))
        return self._replay(match, wait_for_base)

    def _replay(self, match: SkillMatch, wait_for_base: Callable[[], None]) -> CandidateResult | None:
        skill, procedure = match.skill, match.skill.procedure
        if procedure is None:
            return None
        done = replay(self.dreamer.bench, procedure, match.parameters, commit=self.base)
        if not done.ok or done.tree is None:
            self._note(skill, Label.UNMET if done.code in (2, 3) else Label.FAILED, done.reason)
            self.dreamer.observe(Progress(number=0, phase="skill", text=f"{skill.name} failed: {done.reason}"))
            return None
        wait_for_base()
        evidence = self.judge.evaluate(done.tree)
        self._note(skill, Label.PASSED if evidence.passed else Label.FAILED, "its result did not pass the gates")
        whole = tree.with_mimo_from(self.repository, done.tree, self.repository.tree_of(self.base))
        made = commit.write_commit(
            self.repository, tree=whole, parents=(self.base,), message=f"mimo: skill {skill.name}\n"
        )
        kept = refs.candidate_ref(self.session, 0)
        refs.update_ref(
            self.repository, kept, made, expected=refs.read_ref(self.repository, kept), reason="mimo: skill replayed"
        )
        said = ", ".join(f"{name}={value}" for name, value in match.parameters.items())
        return CandidateResult(
            number=0,
            branch="",
            approach=f"skill {skill.name}" + (f" with {said}" if said else ""),
            model="",
            strategy="skill",
            status="skill",
            commit=made,
            tree=evidence.tree,
            seconds=done.seconds,
            summary=f"replayed the verified skill {skill.name}: {match.reason}",
            evidence=evidence,
        )

    def _note(self, skill: Skill, label: Label, reason: str) -> None:
        self.notes = dict(record_use(skill, label, session=str(self.session), now=utc_now(), reason=reason))

    def remembered(self, found: Remembered) -> Remembered:
        """Add what became of the skill to the files of the session's commit."""
        return replace(found, files={**found.files, **(self.notes or {})})
