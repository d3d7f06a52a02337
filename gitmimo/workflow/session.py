"""The conductor: one session from its task to its result branch, phase by phase."""

import contextlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from gitmimo.agent.planning import approaches_for, temperature_for
from gitmimo.agent.strategies import Assignment
from gitmimo.errors import MimoError
from gitmimo.evaluator.verdict import decide
from gitmimo.git import refs
from gitmimo.git.lock import hold_lock
from gitmimo.git.repository import Repository
from gitmimo.journal import Journal
from gitmimo.llm.model import Model
from gitmimo.records import (
    CandidateFacts,
    CandidateResult,
    CriticOpinion,
    Evidence,
    Oid,
    SessionId,
    SessionResult,
    SessionStatus,
    StopReason,
    Task,
    Usage,
    Verdict,
    new_session_id,
    utc_now,
)
from gitmimo.workflow import land
from gitmimo.workflow.candidates import Place, Surroundings, prepare_place, remove_place, work
from gitmimo.workflow.dreaming import Remembered
from gitmimo.workflow.history import LOCK_NAME, STOP_NAME, sessions_directory
from gitmimo.workflow.judging import Judge
from gitmimo.workflow.places import session_directory
from gitmimo.workflow.progress import Interrupt, Observer, Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything a session needs to know before it starts, resolved and checked."""

    task: Task
    base: Oid
    target_branch: str | None
    surroundings: Surroundings
    prefix: str  # rules and memory: the stable beginning of every candidate's prompt
    metered: Callable[[int, str], Model]  # candidate number and phase -> model under the budget
    critic: Callable[[Sequence[int], Mapping[int, Evidence], Mapping[int, CandidateResult]], CriticOpinion | None]
    candidates: int
    fan_out_at_once: bool
    takes_turns: bool  # a local model: parallel candidates would only wait for each other
    strategy: str
    protocol: str
    max_steps: int
    timeout_s: float
    branch_prefix: str = "mimo"
    worktree_root: str = ""
    after: Callable[[SessionResult, CandidateResult], Remembered]
    skill: Callable[[Callable[[], None]], CandidateResult | None] | None = None  # given a way to wait for base's tests


@dataclass(slots=True)
class Conductor:
    """Runs one session. Make it, then call `run` once."""

    repository: Repository
    plan: Plan
    judge: Judge
    observe: Observer
    interrupt: Interrupt
    session: SessionId = field(default_factory=new_session_id)
    _results: dict[int, CandidateResult] = field(default_factory=dict)
    _started: float = field(default_factory=time.monotonic)

    def run(self) -> SessionResult:
        """Conduct the session; what was made until a failure stays reachable and recorded."""
        directory = sessions_directory(self.repository) / self.session
        directory.mkdir(parents=True, exist_ok=True)
        (directory / STOP_NAME).unlink(missing_ok=True)
        with hold_lock(directory / LOCK_NAME), contextlib.closing(Journal(directory / "journal.jsonl")) as journal:
            opening = self._opening()
            journal.intend(
                "session",
                **{
                    "task": opening.task,
                    "base": opening.base,
                    "target_branch": opening.target_branch,
                    "started": opening.started,
                    "process": os.getpid(),
                },
            )
            refs.update_ref(
                self.repository,
                refs.base_ref(self.session),
                self.plan.base,
                expected=None,
                reason="mimo: session base",
            )
            try:
                result = self._conduct(opening, journal)
            except MimoError as exc:
                result = replace(self._closing(opening), status=SessionStatus.ERROR, message=exc.message)
                journal.done("session", result=result)
                raise
            journal.done("session", result=result)
        self.observe(Progress(number=0, phase="done", text=result.status.value))
        return result

    def _opening(self) -> SessionResult:
        return SessionResult(
            session=self.session,
            status=SessionStatus.RUNNING,
            task=self.plan.task.text,
            base=self.plan.base,
            target_branch=self.plan.target_branch,
            started=utc_now(),
        )

    def _conduct(self, opening: SessionResult, journal: Journal) -> SessionResult:
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="base") as pool:
            base_tests = pool.submit(self._measure_base, journal)
            try:
                self._attempt(journal, base_tests)
                base_tests.result()
            except MimoError:
                self.interrupt.request(StopReason.ERROR)
                raise
        verdict = self._decide()
        result = replace(self._closing(opening), verdict=verdict, skill=self._skill(verdict))
        if verdict.winner is None:
            return self._without_winner(result, verdict)
        winner = self._results[verdict.winner]
        self.observe(Progress(number=0, phase="land"))
        result = replace(result, status=SessionStatus.PASSED, message=verdict.reason)
        remembered = self.plan.after(result, winner)
        branch, tip = land.write_result(
            self.repository,
            result,
            winner,
            prefix=self.plan.branch_prefix,
            mimo_files=remembered.files,
            record_subject=remembered.subject,
            journal=journal,
        )
        result = replace(result, result_branch=branch, result_commit=tip, seconds=time.monotonic() - self._started)
        journal.done("landed", result=result)
        return result

    def _measure_base(self, journal: Journal) -> None:
        self.observe(Progress(number=0, phase="base", text="running the tests of the base commit twice"))
        try:
            text = self.judge.measure_base()
        except MimoError:
            self.interrupt.request(StopReason.ERROR)
            raise
        journal.done("base", text=text)
        self.observe(Progress(number=0, phase="base", tests=text))

    def _attempt(self, journal: Journal, base_tests: "Future[None]") -> None:
        """Skill first, then candidate 1, then the others when it failed; or all together."""
        if self.plan.skill is not None:
            replayed = self.plan.skill(base_tests.result)
            if replayed is not None:
                self._results[0] = replayed
                journal.done("candidate", result=replayed)
                if replayed.evidence and replayed.evidence.passed:
                    return
        numbers = list(range(1, self.plan.candidates + 1))
        approaches = approaches_for(len(numbers), self.plan.strategy)
        groups = [numbers] if self.plan.fan_out_at_once else [numbers[:1], numbers[1:]]
        for group in groups:
            if not group or self.interrupt.is_set() or self._is_solved():
                break
            if len(group) > 1 and not self.plan.takes_turns:
                approaches = self._plan_approaches(approaches)
            self._run_group(group, approaches, journal, base_tests)
            if self._out_of_budget():
                break

    def _plan_approaches(self, builtin: tuple[str, ...]) -> tuple[str, ...]:
        self.observe(Progress(number=0, phase="plan", text=f"planning {len(builtin)} approaches"))
        return approaches_for(len(builtin), self.plan.strategy, task=self.plan.task, model=self.plan.metered(0, "plan"))

    def _run_group(
        self, group: Sequence[int], approaches: Sequence[str], journal: Journal, base_tests: "Future[None]"
    ) -> None:
        if self.plan.takes_turns or len(group) == 1:
            for number in group:
                if self.interrupt.is_set() or (self._is_solved() and not self.plan.fan_out_at_once):
                    break
                self._results[number] = self._candidate(number, approaches[number - 1], journal, base_tests)
            return
        with ThreadPoolExecutor(max_workers=len(group), thread_name_prefix="candidate") as pool:
            running = {
                number: pool.submit(self._candidate, number, approaches[number - 1], journal, base_tests)
                for number in group
            }
            for number, future in running.items():
                self._results[number] = future.result()

    def _candidate(self, number: int, approach: str, journal: Journal, base_tests: "Future[None]") -> CandidateResult:
        place = Place(
            session=self.session,
            number=number,
            base=self.plan.base,
            branch=refs.branch_ref(refs.candidate_branch(self.session, number, prefix=self.plan.branch_prefix)),
            directory=session_directory(self.repository, self.session, root=self.plan.worktree_root),
        )
        journal.intend("worktree", candidate=number, path=str(place.worktree), branch=place.branch)
        prepare_place(self.repository, place, self.plan.surroundings)
        journal.done("worktree", candidate=number)
        try:
            model = self.plan.metered(number, "work")
            result = work(
                self.repository,
                place,
                self.plan.surroundings,
                Assignment(
                    task=self.plan.task,
                    prefix=self.plan.prefix,
                    approach=approach,
                    number=number,
                    temperature=temperature_for(number),
                    seed=number,
                    max_steps=self.plan.max_steps,
                    protocol=self.plan.protocol,
                    command_timeout_s=self.plan.surroundings.command_timeout_s,
                ),
                model,
                strategy=self.plan.strategy,
                journal=journal,
                observe=self.observe,
                interrupt=self.interrupt,
            )
        finally:
            remove_place(self.repository, place)
            journal.done("cleaned", candidate=number)
        base_tests.result()
        if result.commit is not None and result.commit != self.plan.base:
            self.observe(Progress(number=number, phase="test"))
            result = replace(result, evidence=self.judge.evaluate(result.commit))
        journal.done("candidate", result=result)
        self.observe(
            Progress(
                number=number,
                phase="done",
                text=result.status,
                tests=_summary(result.evidence),
                tokens=result.usage.total,
                cost_usd=result.cost_usd,
            )
        )
        return result

    def _is_solved(self) -> bool:
        """Whether a candidate passed and left nothing to hope for, so that no other needs to be paid."""
        return any(r.evidence is not None and self.judge.is_complete(r.evidence) for r in self._results.values())

    def _out_of_budget(self) -> bool:
        return any(result.status == StopReason.BUDGET for result in self._results.values())

    def _decide(self) -> Verdict:
        facts = [
            CandidateFacts(number=number, evidence=result.evidence, tokens=result.usage.total)
            for number, result in sorted(self._results.items())
        ]
        passing = {f.number: f.evidence for f in facts if f.evidence is not None and f.evidence.passed}
        opinion = None
        if passing and not self.interrupt.is_set():
            self.observe(Progress(number=0, phase="review"))
            opinion = self.plan.critic(tuple(passing), passing, self._results)
        return decide(facts, opinion)

    def _skill(self, verdict: Verdict) -> str | None:
        """The skill that solved the task, when one did: candidate 0 is always a skill's replay."""
        return self._results[0].approach.split()[1] if verdict.winner == 0 else None

    def _without_winner(self, result: SessionResult, verdict: Verdict) -> SessionResult:
        status = self._failed_status()
        errors = dict.fromkeys(c.summary for c in result.candidates if c.status == StopReason.ERROR and c.summary)
        message = "; ".join(errors) if status is SessionStatus.ERROR else verdict.reason
        return replace(result, status=status, message=message)

    def _failed_status(self) -> SessionStatus:
        reason = self.interrupt.reason()
        if reason is StopReason.INTERRUPTED:
            return SessionStatus.INTERRUPTED
        if self._out_of_budget() or reason is StopReason.TIMEOUT:
            return SessionStatus.BUDGET
        if self._results and all(result.status == StopReason.ERROR for result in self._results.values()):
            return SessionStatus.ERROR
        return SessionStatus.FAILED

    def _closing(self, opening: SessionResult) -> SessionResult:
        results = [self._results[number] for number in sorted(self._results)]
        return replace(
            opening,
            candidates=tuple(results),
            usage=sum((result.usage for result in results), Usage()),
            cost_usd=sum(result.cost_usd for result in results),
            llm_calls=sum(result.llm_calls for result in results),
            seconds=time.monotonic() - self._started,
        )


def _summary(evidence: Evidence | None) -> str:
    if evidence is None:
        return "no product"
    tests = f"{evidence.tests_passed}/{evidence.tests_run}"
    if evidence.passed:
        return f"pass {tests}"
    return f"fail {tests}: " + ", ".join(gate.name for gate in evidence.failed_gates)
