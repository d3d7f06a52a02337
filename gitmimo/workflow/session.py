"""One session, from its task to its result branch: rounds of candidates until the evidence settles which one wins."""

import contextlib
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from gitmimo import refnames
from gitmimo.agent.interface import Feedback
from gitmimo.behaviour import BehaviourReport
from gitmimo.errors import CheckError, MimoError
from gitmimo.evaluator.verdict import decide
from gitmimo.evidence import CandidateFacts, CriticOpinion, Evidence, Verdict
from gitmimo.git.gc_lock import hold_off_gc
from gitmimo.git.repository import Repository
from gitmimo.journal import Journal
from gitmimo.locks import hold_lock
from gitmimo.records import SessionId, StopReason, new_session_id
from gitmimo.results import CandidateResult, SessionResult, SessionStatus
from gitmimo.workflow.agents import Workers
from gitmimo.workflow.candidates import refusal
from gitmimo.workflow.directories import LOCK_NAME, STOP_NAME, session_directory, sessions_directory
from gitmimo.workflow.evaluate import SessionEvaluator
from gitmimo.workflow.executor import Executor
from gitmimo.workflow.land import keep_trees, write_result
from gitmimo.workflow.models import ModelPool
from gitmimo.workflow.operations import OperationRun, ScriptFirst
from gitmimo.workflow.plan import (
    Brief,
    Plan,
    built_in_approaches,
    critic_feedback,
    feedback_for_next_round,
    gate_feedback,
    is_futile,
    next_round,
    plan_approaches,
)
from gitmimo.workflow.progress import Observer, Progress, StopSignal
from gitmimo.workflow.reviewer import Reviewer
from gitmimo.workflow.session_result import (
    close,
    how_to_go_on,
    kept_results,
    open_session,
    progress_at_end,
    status_after,
    with_winner,
    without_winner,
    worked_before,
)
from gitmimo.workflow.worktrees import CandidatePaths


@dataclass(slots=True, kw_only=True)
class SessionRunner:
    """Runs one session. Make it, then call `run` once."""

    repository: Repository
    plan: Plan
    models: ModelPool
    workers: Workers
    evaluator: SessionEvaluator
    executor: Executor
    reviewer: Reviewer
    operation: OperationRun | None = None  # where commands are the work, and not a change of files
    script: ScriptFirst | None = None  # of a skill that does exactly this, tried before any model
    observe: Observer
    stop_signal: StopSignal
    session: SessionId = field(default_factory=new_session_id)
    _journal: Journal = field(init=False)
    _base_tests: "Future[None]" = field(init=False)
    _results: dict[int, CandidateResult] = field(default_factory=dict)
    _had_feedback: set[int] = field(default_factory=set)  # candidates that already got feedback once
    _crossed: dict[int, tuple[int, int]] = field(default_factory=dict)  # of others' tests: passed, run
    _behaviour: BehaviourReport | None = None
    _opinion: CriticOpinion | None = None
    _started: float = field(default_factory=time.monotonic)

    def run(self) -> SessionResult:
        """Run the session; what was made until a failure stays reachable and recorded."""
        directory = sessions_directory(self.repository) / self.session
        directory.mkdir(parents=True, exist_ok=True)
        (directory / STOP_NAME).unlink(missing_ok=True)
        self.stop_signal.watch(directory / STOP_NAME)
        with (
            hold_lock(directory / LOCK_NAME),
            contextlib.closing(Journal(directory / "journal.jsonl")) as self._journal,
            hold_off_gc(self.repository),
        ):
            opening = open_session(self.repository, self.plan, self.session, self._journal)
            self._results = kept_results(self.plan)
            try:
                result = self._run(opening)
            except MimoError as exc:
                result = self._interrupted(opening, exc)
                self._journal.done("session", result=result)
                if result.status is SessionStatus.ERROR:
                    raise
            else:
                self._journal.done("session", result=result)
        self.observe(Progress(number=0, phase="done", text=result.status.value))
        return result

    def _run(self, opening: SessionResult) -> SessionResult:
        """Measure the base while candidates work, and publish the winner."""
        past = self.plan.past
        if past is not None and past.decided is not None:
            return self._publish(past.decided)
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="base") as pool:
            self._base_tests = pool.submit(self._measure_base)
            try:
                self._run_script()
                verdict = self._search()
                self._base_tests.result()
            except MimoError:
                self.stop_signal.request(StopReason.ERROR)
                raise
        skill = self.script.match.skill.name if self.script and verdict.winner == 0 else None
        result = replace(self._closing(opening), verdict=verdict, skill=skill)
        if verdict.winner is None:
            spared = is_futile(self.plan, self._results, self.models.names)
            return without_winner(result, verdict, self.stop_signal.reason(), spared=spared)
        result = with_winner(result, verdict)
        self._journal.done("decided", result=result)
        return self._publish(result)

    def _run_script(self) -> None:
        """Candidate 0: the script of the skill that fits. The others get the feedback on it."""
        if self.script is None or 0 in self._results:
            return
        result = self.script(self._base_tests.result)
        if result is not None and result.evidence is not None and not self.stop_signal.is_set():
            keep_trees(self.repository, self.session, 0, result.evidence)
            self._results[0] = result
            self._journal.done("candidate", result=result)

    def _search(self) -> Verdict:
        """Rounds of candidates: each judged, compared and reviewed; until it is settled, or there are no more."""
        verdict = self._decide() if self._results else None
        while not self._is_enough(verdict):
            passed = any(result.evidence and result.evidence.passed for result in self._results.values())
            numbers = next_round(
                self.plan.candidates,
                self._results,
                rungs=self.plan.rungs,
                at_once=self.plan.fan_out_at_once,
                one_at_a_time=passed or self.models.takes_turns,
            )
            if not numbers or is_futile(self.plan, self._results, self.models.names):
                break
            self._run_round(numbers, feedback_for_next_round(self._results, verdict))
            verdict = self._decide()
            if self._answer_critic(verdict):
                verdict = self._decide()
        return verdict or decide([])

    def _is_enough(self, verdict: Verdict | None) -> bool:
        """Whether no other candidate needs to be paid: a settled winner that left no failing test, or a limit."""
        if self.stop_signal.is_set() or any(r.status == StopReason.BUDGET for r in self._results.values()):
            return True
        winner = self._results.get(verdict.winner) if verdict and verdict.winner is not None else None
        if verdict is None or winner is None or winner.evidence is None:
            return False
        is_whole = self.operation is not None or self.evaluator.is_complete(winner.evidence)
        return (verdict.settled and is_whole) or self.plan.effort == "low"

    def _run_round(self, numbers: Sequence[int], earlier_feedback: tuple[Feedback, ...]) -> None:
        """Let these candidates work at the same time, where they don't only wait for each other."""
        approaches = built_in_approaches(self.plan)
        if len(numbers) > 1:
            session = self.repository, self.plan, self.models, self.evaluator
            approaches = plan_approaches(*session, earlier_feedback, journal=self._journal, observe=self.observe)
        if len(numbers) == 1 or self.models.takes_turns:
            if len(numbers) > 1:
                text = "the model runs on this machine: candidates take turns (mimo.parallel: at once)"
                self.observe(Progress(number=0, phase="work", text=text))
            for number in numbers:
                if not self.stop_signal.is_set():
                    self._results[number] = self._candidate(number, approaches[number - 1], earlier_feedback)
            return
        with ThreadPoolExecutor(max_workers=len(numbers), thread_name_prefix="candidate") as pool:
            running = {n: pool.submit(self._candidate, n, approaches[n - 1], earlier_feedback) for n in numbers}
            for number, future in running.items():
                self._results[number] = future.result()

    def _candidate(self, number: int, approach: str, earlier_feedback: tuple[Feedback, ...]) -> CandidateResult:
        """One candidate's life: it works, is judged, and has one chance to answer what the gates said."""
        kept = self._results.get(number)
        if kept is not None:
            return kept
        worked = worked_before(self.plan, number)
        brief = Brief(approach=approach, feedback=earlier_feedback, goes_on=self.plan.past is not None)
        result = self._judge(worked or self._work(number, brief))
        said = gate_feedback(result)
        if said is not None and self._may_answer(result):
            result = self._answer(result, said)
        self._journal.done("candidate", result=result)
        self.observe(progress_at_end(result))
        return result

    def _may_answer(self, result: CandidateResult) -> bool:
        """Whether a candidate gets feedback on its product: once, if it had declared itself finished."""
        is_own = result.agent == "mimo" and result.strategy == "shell" and result.status == StopReason.FINISHED
        return is_own and result.number not in self._had_feedback and not self.stop_signal.is_set()

    def _answer(self, result: CandidateResult, said: Feedback) -> CandidateResult:
        """Continue a candidate with the feedback on its work; its second product replaces the first."""
        self._had_feedback.add(result.number)
        self.observe(Progress(number=result.number, phase="work", text="told why it was refused; it goes on"))
        again = self._work(result.number, Brief(approach=result.approach, feedback=(said,), goes_on=True))
        if again.tree == result.tree:
            return replace(again, status=result.status, summary=result.summary, evidence=result.evidence)
        return self._judge(again)

    def _answer_critic(self, verdict: Verdict) -> bool:
        """Tell rejected candidates the critic's remarks, once; whether one of them made something new."""
        changed = False
        for number in verdict.critic.rejected if verdict.critic else ():
            result = self._results[number]
            said = critic_feedback(result, verdict)
            if said is not None and self._may_answer(result):
                again = self._results[number] = self._answer(result, said)
                self._journal.done("candidate", result=again)
                changed = changed or again.tree != result.tree
        return changed

    def _work(self, number: int, brief: Brief) -> CandidateResult:
        paths = CandidatePaths(
            session=self.session,
            number=number,
            base=self.plan.base,
            branch=refnames.branch_ref(refnames.candidate_branch(self.session, number, prefix=self.plan.branch_prefix)),
            directory=session_directory(self.repository, self.session, root=self.plan.worktree_root),
        )
        return self.executor.run_candidate(
            self.plan,
            paths,
            brief,
            self.workers.of(number),
            journal=self._journal,
            observe=self.observe,
            stop_signal=self.stop_signal,
        )

    def _judge(self, result: CandidateResult) -> CandidateResult:
        """Add the evidence; a session that is asked to stop leaves this to its resume."""
        self._base_tests.result()
        if result.commit is None or result.commit == self.plan.base or self.stop_signal.is_set():
            return result
        if result.status == StopReason.TAMPERED:
            return result
        if result.refused:
            return replace(result, evidence=refusal(self.repository, self.plan.base, result))
        self.observe(Progress(number=result.number, phase="test"))
        try:
            if self.operation is not None:
                evidence = self.operation.evaluate(result)
            else:
                evidence = self.executor.judge(self.evaluator, result.number, result.commit)
        except CheckError:
            if not self.stop_signal.is_set():
                raise
            return result
        keep_trees(self.repository, self.session, result.number, evidence)
        return replace(result, evidence=replace(evidence, flags=(*result.dropped, *evidence.flags)))

    def _decide(self) -> Verdict:
        """What all evidence says: tests, each other's tests, behaviour, the critic's opinion.

        A session that is asked to stop compares and asks no more, and decides by what was found until then.
        """
        self._base_tests.result()
        judged = dict(sorted(self._results.items()))
        passing = {n: r.evidence for n, r in judged.items() if r.evidence is not None and r.evidence.passed}
        failed = [r.evidence for r in judged.values() if r.evidence is not None and _fails_tests(r.evidence)]
        trust_tests = self.plan.trust_tests or self.operation is not None or set(passing) == {0}
        if passing and not self.stop_signal.is_set() and self.operation is None and set(passing) != {0}:
            self.observe(Progress(number=0, phase="compare"))
            self._crossed = self.evaluator.cross_examine(passing)
            self._behaviour = None if self.plan.trust_tests else self.evaluator.compare(passing, failed)
            self._opinion = self._review(passing, self._behaviour)
        facts = [
            CandidateFacts(
                number=n,
                evidence=result.evidence,
                tokens=result.usage.total,
                others_passed=self._crossed.get(n, (0, 0))[0],
                others_run=self._crossed.get(n, (0, 0))[1],
            )
            for n, result in judged.items()
        ]
        return decide(facts, self._opinion, self._behaviour, trust_tests=trust_tests)

    def _review(self, passing: dict[int, Evidence], behaviour: BehaviourReport | None) -> CriticOpinion | None:
        self.observe(Progress(number=0, phase="review"))
        return self.reviewer.review(
            passing,
            behaviour,
            workers=tuple({self._results[number].model for number in passing}),
            base_output=self.evaluator.baseline.report.output if self.evaluator.baseline.failed_ids else "",
        )

    def _measure_base(self) -> None:
        self.observe(Progress(number=0, phase="base", text="running the tests of the base commit"))
        try:
            text = self.evaluator.measure_base()
        except MimoError:
            self.stop_signal.request(StopReason.ERROR)
            raise
        self._journal.done("base", text=text)
        self.observe(Progress(number=0, phase="base", tests=text))

    def _publish(self, result: SessionResult) -> SessionResult:
        """Put the winner on the result branch; doing it again changes nothing."""
        self.observe(Progress(number=0, phase="land"))
        number = result.verdict.winner if result.verdict else None
        winner = next(candidate for candidate in result.candidates if candidate.number == number)
        if self.operation is not None and winner.evidence is not None and not winner.evidence.diff.files:
            return result  # done by what its commands did: there is nothing to land
        branch, tip = write_result(
            self.repository,
            result,
            winner,
            prefix=self.plan.branch_prefix,
            journal=self._journal,
        )
        result = replace(result, result_branch=branch, result_commit=tip, seconds=time.monotonic() - self._started)
        self._journal.done("landed", result=result)
        return result

    def _interrupted(self, opening: SessionResult, exc: MimoError) -> SessionResult:
        """The session's status after a phase failed: asked to stop, or an error."""
        status = status_after({}, self.stop_signal.reason() or StopReason.ERROR)
        message = exc.message if status is SessionStatus.ERROR else how_to_go_on("stopped", self.session)
        return replace(self._closing(opening), status=status, message=message)

    def _closing(self, opening: SessionResult) -> SessionResult:
        """The session so far; what it used counts plans and reviews too, which no candidate made."""
        closed = close(opening, self._results, seconds=time.monotonic() - self._started)
        spent = self.models.spent()
        return replace(
            closed,
            usage=max(closed.usage, spent.usage, key=lambda usage: usage.total),
            cost_usd=max(closed.cost_usd, spent.usd),
            llm_calls=max(closed.llm_calls, spent.calls),
        )


def _fails_tests(evidence: Evidence) -> bool:
    return any(gate.name == "suite" for gate in evidence.failed_gates)
