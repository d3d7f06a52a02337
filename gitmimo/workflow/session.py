"""The conductor: one session from its task to its result branch, phase by phase."""

import contextlib
import os
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from gitmimo.agent.planning import approaches_for
from gitmimo.codec import to_json
from gitmimo.errors import CheckError, MimoError
from gitmimo.evaluator.verdict import decide
from gitmimo.evidence import CandidateFacts, Verdict
from gitmimo.git import refs
from gitmimo.git.holding import hold_objects
from gitmimo.git.repository import Repository
from gitmimo.git.worktree import process_start
from gitmimo.journal import Journal
from gitmimo.locks import hold_lock
from gitmimo.records import SessionId, StopReason, new_session_id, utc_now
from gitmimo.results import CandidateResult, SessionResult, SessionStatus
from gitmimo.workflow import land
from gitmimo.workflow.cleaning import clear_session
from gitmimo.workflow.executor import Executor
from gitmimo.workflow.history import LOCK_NAME, STOP_NAME, sessions_directory
from gitmimo.workflow.judging import Judge
from gitmimo.workflow.kept_trees import keep_trees
from gitmimo.workflow.places import session_directory
from gitmimo.workflow.plan import Plan, fan_outs
from gitmimo.workflow.progress import Interrupt, Observer, Progress
from gitmimo.workflow.standing import close, is_over, say_tests, status_after
from gitmimo.workflow.workspace import Place


@dataclass(slots=True)
class Conductor:
    """Runs one session. Make it, then call `run` once."""

    repository: Repository
    plan: Plan
    judge: Judge
    executor: Executor
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
        self.interrupt.watch(directory / STOP_NAME)
        with (
            hold_lock(directory / LOCK_NAME),
            contextlib.closing(Journal(directory / "journal.jsonl")) as journal,
            hold_objects(self.repository, self.session),
        ):
            opening = self._opening()
            self._open(opening, journal)
            try:
                result = self._conduct(opening, journal)
            except MimoError as exc:
                result = self._cut_off(opening, exc)
                journal.done("session", result=result)
                if result.status is SessionStatus.ERROR:
                    raise
            else:
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
            assumptions=self.plan.assumptions,
        )

    def _open(self, opening: SessionResult, journal: Journal) -> None:
        """Write the first line, or the line that it goes on, and keep the base."""
        past = self.plan.past
        process = {"process": os.getpid(), "process_start": process_start(os.getpid())}
        if past is None:
            told = to_json(opening)
            facts = {name: told[name] for name in ("task", "base", "target_branch", "started", "assumptions")}
            journal.intend("session", **facts, **process, settings=self.plan.settings)
        else:
            journal.intend("resumed", **process)
            clear_session(self.repository, self.session, self._directory)
            self._results = {
                n: r
                for n, r in past.results.items()
                if r.evidence is not None and is_over(r, max_steps=self.plan.max_steps)
            }
        kept = refs.base_ref(self.session)
        if refs.read_ref(self.repository, kept) is None:
            refs.update_ref(self.repository, kept, self.plan.base, expected=None, reason="mimo: session base")

    @property
    def _directory(self) -> Path:
        return session_directory(self.repository, self.session, root=self.plan.worktree_root)

    def _cut_off(self, opening: SessionResult, exc: MimoError) -> SessionResult:
        """How the session stands when a phase failed: asked to stop, or for good."""
        status = status_after({}, self.interrupt.reason() or StopReason.ERROR)
        message = exc.message if status is SessionStatus.ERROR else self._how_to_go_on("stopped")
        return replace(self._closing(opening), status=status, message=message)

    def _how_to_go_on(self, reason: str) -> str:
        return f"{reason}; what was made is kept, go on with: git mimo resume {self.session}"

    def _conduct(self, opening: SessionResult, journal: Journal) -> SessionResult:
        past = self.plan.past
        if past is not None and past.decided is not None:
            return self._publish(past.decided, journal)
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="base") as pool:
            base_tests = pool.submit(self._measure_base, journal)
            try:
                if self._results:
                    base_tests.result()  # says whether what was reached before is enough
                self._attempt(journal, base_tests)
                base_tests.result()
            except MimoError:
                self.interrupt.request(StopReason.ERROR)
                raise
        verdict = self._decide()
        result = replace(self._closing(opening), verdict=verdict, skill=self._skill(verdict))
        if verdict.winner is None:
            return self._without_winner(result, verdict)
        result = replace(result, status=SessionStatus.PASSED, message=verdict.reason)
        journal.done("decided", result=result)
        return self._publish(result, journal)

    def _publish(self, result: SessionResult, journal: Journal) -> SessionResult:
        """Put the winner on the result branch; doing it again changes nothing."""
        self.observe(Progress(number=0, phase="land"))
        number = result.verdict.winner if result.verdict else None
        winner = next(candidate for candidate in result.candidates if candidate.number == number)
        branch, tip = land.write_result(
            self.repository,
            result,
            winner,
            prefix=self.plan.branch_prefix,
            journal=journal,
        )
        result = replace(result, result_branch=branch, result_commit=tip, seconds=time.monotonic() - self._started)
        journal.done("landed", result=result)
        return result

    def _measure_base(self, journal: Journal) -> None:
        self.observe(Progress(number=0, phase="base", text="running the tests of the base commit"))
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
                if replayed.evidence is not None:
                    keep_trees(self.repository, self.session, 0, replayed.evidence)
                self._results[0] = replayed
                journal.done("candidate", result=replayed)
                if replayed.evidence and replayed.evidence.passed:
                    return
        count = self.plan.candidates
        approaches = approaches_for(count, self.plan.strategy)
        together = (tuple(range(1, count + 1)),)
        for group in together if self.plan.fan_out_at_once else fan_outs(count, self.plan.rungs):
            if self.interrupt.is_set() or self._is_solved():
                break
            if len(group) > 1 and not self.plan.takes_turns() and self.plan.plans_approaches:
                approaches = self._plan_approaches(approaches, journal)
            self._run_group(group, approaches, journal, base_tests)
            if self._out_of_budget():
                break

    def _plan_approaches(self, builtin: tuple[str, ...], journal: Journal) -> tuple[str, ...]:
        before = self.plan.past.approaches if self.plan.past else ()
        if len(before) >= len(builtin):
            return before
        self.observe(Progress(number=0, phase="plan", text=f"planning {len(builtin)} approaches"))
        model = self.plan.metered(0, "plan")
        planned = approaches_for(len(builtin), self.plan.strategy, task=self.plan.task, model=model)
        journal.done("approaches", approaches=planned)
        return planned

    def _run_group(
        self, group: Sequence[int], approaches: Sequence[str], journal: Journal, base_tests: "Future[None]"
    ) -> None:
        if len(group) == 1 or self.plan.takes_turns():
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
        kept = self._results.get(number)
        if kept is not None:
            return kept
        result = self._worked_before(number) or self._work(number, approach, journal)
        base_tests.result()
        result = self._judge(result)
        journal.done("candidate", result=result)
        tests, used = say_tests(result.evidence), result.usage.total
        self.observe(
            Progress(
                number=number, phase="done", text=result.status, tests=tests, tokens=used, cost_usd=result.cost_usd
            )
        )
        return result

    def _worked_before(self, number: int) -> CandidateResult | None:
        """A candidate that had ended, but was not judged yet, when the session was cut off."""
        found = self.plan.past.results.get(number) if self.plan.past else None
        return found if found is not None and is_over(found, max_steps=self.plan.max_steps) else None

    def _work(self, number: int, approach: str, journal: Journal) -> CandidateResult:
        place = Place(
            session=self.session,
            number=number,
            base=self.plan.base,
            branch=refs.branch_ref(refs.candidate_branch(self.session, number, prefix=self.plan.branch_prefix)),
            directory=self._directory,
        )
        return self.executor.attempt(
            self.plan,
            place,
            approach,
            journal=journal,
            observe=self.observe,
            interrupt=self.interrupt,
        )

    def _judge(self, result: CandidateResult) -> CandidateResult:
        """Add the evidence; a session that is asked to stop leaves it to be found when it goes on."""
        if result.commit is None or result.commit == self.plan.base or self.interrupt.is_set():
            return result
        if result.status == StopReason.TAMPERED:
            return result
        self.observe(Progress(number=result.number, phase="test"))
        try:
            evidence = self.executor.evaluate(self.judge, result, interrupt=self.interrupt)
        except CheckError:
            if not self.interrupt.is_set():
                raise
            return result
        keep_trees(self.repository, self.session, result.number, evidence)
        return replace(result, evidence=replace(evidence, flags=(*result.dropped, *evidence.flags)))

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
        if set(passing) - {0} and not self.interrupt.is_set():  # a skill's replay alone costs no call
            self.observe(Progress(number=0, phase="review"))
            opinion = self.plan.critic(tuple(passing), passing, self._results)
        return decide(facts, opinion)

    def _skill(self, verdict: Verdict) -> str | None:
        """The skill that solved the task, when one did: candidate 0 is always a skill's replay."""
        return self._results[0].approach.split()[1] if verdict.winner == 0 else None

    def _without_winner(self, result: SessionResult, verdict: Verdict) -> SessionResult:
        status = status_after(self._results, self.interrupt.reason())
        errors = dict.fromkeys(c.summary for c in result.candidates if c.status == StopReason.ERROR and c.summary)
        message = "; ".join(errors) if status is SessionStatus.ERROR else verdict.reason
        if status is SessionStatus.BUDGET:
            limits = dict.fromkeys(c.summary for c in result.candidates if c.status == StopReason.BUDGET and c.summary)
            message = "; ".join(limits) or message
        if status in (SessionStatus.INTERRUPTED, SessionStatus.BUDGET):
            message = self._how_to_go_on(message or status.value)
        return replace(result, status=status, message=message)

    def _closing(self, opening: SessionResult) -> SessionResult:
        return close(opening, self._results, seconds=time.monotonic() - self._started)
