"""One session, from its task to its result branch: rounds of candidates until the evidence settles which one wins."""

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from gitmimo.agent.interface import Feedback
from gitmimo.agent.shell.opening import approach_for
from gitmimo.behaviour import BehaviourReport
from gitmimo.errors import CheckError, MimoError
from gitmimo.evaluator.verdict import decide
from gitmimo.evidence import CandidateFacts, CriticOpinion, Evidence, Verdict
from gitmimo.ids import SessionStatus
from gitmimo.records import CandidateResult, SessionResult, StopReason
from gitmimo.workflow.agents import Workers
from gitmimo.workflow.candidates import Executor, refusal
from gitmimo.workflow.evaluate import SessionEvaluator
from gitmimo.workflow.land import keep_trees, write_result
from gitmimo.workflow.operations import judge_operation
from gitmimo.workflow.plan import (
    Brief,
    Plan,
    Reviewer,
    critic_feedback,
    feedback_for_next_round,
    gate_feedback,
    is_futile,
    next_round,
    plan_approaches,
)
from gitmimo.workflow.progress import Progress, SessionContext
from gitmimo.workflow.session_result import (
    close,
    how_to_go_on,
    open_session,
    progress_at_end,
    results_before,
    status_after,
    with_winner,
    without_winner,
)
from gitmimo.workflow.skill_replay import ScriptMatch, replay_skill


@dataclass(slots=True, kw_only=True)
class SessionRunner:
    """Runs one session. Make it, then call `run` once."""

    context: SessionContext
    plan: Plan
    workers: Workers
    evaluator: SessionEvaluator
    executor: Executor
    reviewer: Reviewer
    script: ScriptMatch | None = None  # of a skill that does exactly this, tried before any model
    _base_tests: "Future[None]" = field(init=False)
    _earlier: dict[int, CandidateResult] = field(default_factory=dict)  # what ended before a cut-off, judged or not
    _results: dict[int, CandidateResult] = field(default_factory=dict)
    _had_feedback: set[int] = field(default_factory=set)  # candidates that already got feedback once
    _crossed: dict[int, tuple[int, int]] = field(default_factory=dict)  # of others' tests: passed, run
    _approaches: tuple[str, ...] = ()  # that were planned
    _behaviour: BehaviourReport | None = None
    _opinion: CriticOpinion | None = None
    _started: float = field(default_factory=time.monotonic)

    def run(self) -> SessionResult:
        """Run the session; what was made until a failure stays reachable and recorded."""
        journal = self.context.journal
        opening = open_session(self.context, self.plan)
        self._earlier = results_before(self.plan)
        self._approaches = self.plan.past.approaches if self.plan.past else ()
        self._results = {n: result for n, result in self._earlier.items() if result.evidence is not None}
        try:
            result = self._run(opening)
        except MimoError as exc:
            result = self._interrupted(opening, exc)
            journal.done("session", result=result)
            if result.status is SessionStatus.ERROR:
                raise
        else:
            journal.done("session", result=result)
        self._tell(0, "done", result.status.value)
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
                self.context.stop_signal.request(StopReason.ERROR)
                raise
        skill = self.script.skill.name if self.script and verdict.winner == 0 else None
        result = replace(self._closing(opening), verdict=verdict, skill=skill)
        if verdict.winner is None:
            spared = is_futile(self.plan, self._results, self.workers.models.names)
            return without_winner(result, verdict, self.context.stop_signal.reason(), spared=spared)
        left = 0 if self._is_stopped() else self.plan.candidates - len(self._results)
        result = with_winner(result, verdict, left=left)
        self.context.journal.done("decided", result=result)
        return self._publish(result)

    def _measure_base(self) -> None:
        tests = self.evaluator.testbed.tests
        where = f" ({tests.reason})" if tests.directory else ""
        self._tell(0, "base", f"running the tests of the base commit{where}")
        try:
            text = self.evaluator.measure_base()
        except MimoError:
            self.context.stop_signal.request(StopReason.ERROR)
            raise
        self.context.journal.done("base", text=text)
        self.context.observe(Progress(number=0, phase="base", tests=text))

    @property
    def _is_operation(self) -> bool:
        """Whether commands are the work, and not a change of files."""
        return bool(self.plan.config["operation"])

    def _run_script(self) -> None:
        """Candidate 0: the script of the skill that fits. The others get the feedback on it."""
        if self.script is None or 0 in self._results:
            return
        result = replay_skill(self.context, self.evaluator, self.plan, self.script, self._base_tests.result)
        if result is not None and result.evidence is not None and not self._is_stopped():
            keep_trees(self.context.repository, self.context.session, 0, result.evidence)
            self._results[0] = result
            self.context.journal.done("candidate", result=result)

    def _search(self) -> Verdict:
        """Rounds of candidates: each judged, compared and reviewed; until it is settled, or there are no more."""
        verdict = self._decide() if self._results else None
        while not self._is_enough(verdict):
            passed = any(result.evidence and result.evidence.passed for result in self._results.values())
            numbers = next_round(
                self.plan.candidates,
                self._results,
                rungs=self.workers.models.rungs,
                at_once=self.plan.config.text("fanout") == "all",
                one_at_a_time=passed or self.workers.models.takes_turns,
            )
            if not numbers or is_futile(self.plan, self._results, self.workers.models.names):
                break
            self._run_round(numbers, feedback_for_next_round(self._results, verdict))
            verdict = self._decide()
            if self._answer_critic(verdict):
                verdict = self._decide()
        return verdict or decide([])

    def _is_enough(self, verdict: Verdict | None) -> bool:
        """Whether no other candidate needs to be paid: a settled winner that left no failing test, or a limit.

        Nor after an unsettled one of a small model: on 30 bugs, some 30 more candidates settled four of 17 such
        results, one of them wrong, for a third of all time.
        """
        if self._is_stopped() or any(r.status == StopReason.BUDGET for r in self._results.values()):
            return True
        winner = self._results.get(verdict.winner) if verdict and verdict.winner is not None else None
        if verdict is None or winner is None or winner.evidence is None:
            return False
        is_whole = self._is_operation or self.evaluator.is_complete(winner.evidence)
        is_last = verdict.settled or (self.plan.effort == "normal" and winner.strategy == "patch")
        return (is_last and is_whole) or self.plan.effort == "low"

    def _run_round(self, numbers: Sequence[int], earlier: tuple[Feedback, ...]) -> None:
        """Let these candidates work at the same time, where they don't only wait for each other."""
        models = self.workers.models
        if len(numbers) > 1 and not self._approaches:
            self._approaches = plan_approaches(self.context, self.plan, models, earlier)
        briefs = [Brief(number=number, approach=self._approach(number), feedback=earlier) for number in numbers]
        if len(numbers) == 1 or models.takes_turns:
            if len(numbers) > 1:
                self._tell(0, "work", "the model runs on this machine: candidates take turns (mimo.parallel: at once)")
            for brief in briefs:
                if not self._is_stopped():
                    self._results[brief.number] = self._candidate(brief)
            return
        with ThreadPoolExecutor(max_workers=len(numbers), thread_name_prefix="candidate") as pool:
            running = {brief.number: pool.submit(self._candidate, brief) for brief in briefs}
            for number, future in running.items():
                self._results[number] = future.result()

    def _approach(self, number: int) -> str:
        """The approach that was planned for a candidate, else the built-in one."""
        return self._approaches[number - 1] if number <= len(self._approaches) else approach_for(number)

    def _candidate(self, brief: Brief) -> CandidateResult:
        """One candidate's life: it works, is judged, and has one chance to answer what the gates said."""
        kept = self._results.get(brief.number)
        if kept is not None:
            return kept
        worked = self._earlier.get(brief.number)
        result = self._judge(worked or self._work(replace(brief, goes_on=self.plan.past is not None)))
        said = gate_feedback(result)
        if said is not None and self._may_answer(result):
            result = self._answer(result, said)
        self.context.journal.done("candidate", result=result)
        self.context.observe(progress_at_end(result))
        return result

    def _may_answer(self, result: CandidateResult) -> bool:
        """Whether a candidate gets feedback on its product: once, if it had declared itself finished."""
        is_own = result.agent == "mimo" and result.strategy == "shell" and result.status == StopReason.FINISHED
        return is_own and result.number not in self._had_feedback and not self._is_stopped()

    def _answer(self, result: CandidateResult, said: Feedback) -> CandidateResult:
        """Continue a candidate with the feedback on its work; its second product replaces the first."""
        self._had_feedback.add(result.number)
        self._tell(result.number, "work", "told why it was refused; it goes on")
        again = self._work(Brief(number=result.number, approach=result.approach, feedback=(said,), goes_on=True))
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
                self.context.journal.done("candidate", result=again)
                changed = changed or again.tree != result.tree
        return changed

    def _work(self, brief: Brief) -> CandidateResult:
        return self.executor.run_candidate(self.context, self.plan, brief, self.workers.of(brief.number))

    def _judge(self, result: CandidateResult) -> CandidateResult:
        """Add the evidence; a session that is asked to stop leaves this to its resume."""
        self._base_tests.result()
        repository, base = self.context.repository, self.plan.base
        if result.commit is None or result.commit == base or self._is_stopped():
            return result
        if result.status == StopReason.TAMPERED:
            return result
        if result.refused:
            return replace(result, evidence=refusal(repository, base, result))
        self._tell(result.number, "test")
        try:
            if self._is_operation:
                evidence = judge_operation(self.context, self.evaluator, self.plan, result)
            else:
                evidence = self.executor.judge(self.evaluator, result.number, result.commit)
        except CheckError:
            if not self._is_stopped():
                raise
            return result
        keep_trees(repository, self.context.session, result.number, evidence)
        return replace(result, evidence=replace(evidence, flags=(*result.dropped, *evidence.flags)))

    def _decide(self) -> Verdict:
        """What all evidence says: tests, each other's tests, behaviour, the critic's opinion.

        A session that is asked to stop compares and asks no more, and decides by what it heard until then.
        """
        self._base_tests.result()
        judged = dict(sorted(self._results.items()))
        passing = {n: r.evidence for n, r in judged.items() if r.evidence is not None and r.evidence.passed}
        failed = [r.evidence for r in judged.values() if r.evidence is not None and _fails_tests(r.evidence)]
        trust_tests = bool(self.plan.config["trustTests"])
        tests_decide = self._is_operation or set(passing) == {0}
        if passing and not self._is_stopped() and not tests_decide:
            self._tell(0, "compare")
            self._crossed = self.evaluator.cross_examine(passing)
            self._behaviour = None if trust_tests else self.evaluator.compare(passing, failed)
            self._tell(0, "review")
            self._opinion = self.reviewer.review(
                passing, self._behaviour, self.evaluator.baseline, {judged[number].model for number in passing}
            )
        facts = [
            CandidateFacts(
                number=n,
                worker=result.worker,
                evidence=result.evidence,
                tokens=result.usage.total,
                others_passed=self._crossed.get(n, (0, 0))[0],
                others_run=self._crossed.get(n, (0, 0))[1],
            )
            for n, result in judged.items()
        ]
        return decide(facts, self._opinion, self._behaviour, trust_tests=trust_tests or tests_decide)

    def _publish(self, result: SessionResult) -> SessionResult:
        """Put the winner on the result branch; doing it again changes nothing."""
        self._tell(0, "land")
        winner = next(each for each in result.candidates if result.verdict and each.number == result.verdict.winner)
        if self._is_operation and winner.evidence is not None and not winner.evidence.diff.files:
            return result  # done by what its commands did: there is nothing to land
        branch, tip = write_result(
            self.context.repository,
            result,
            winner,
            prefix=self.plan.config.text("branchPrefix"),
            journal=self.context.journal,
        )
        result = replace(result, result_branch=branch, result_commit=tip, seconds=time.monotonic() - self._started)
        self.context.journal.done("landed", result=result)
        return result

    def _interrupted(self, opening: SessionResult, exc: MimoError) -> SessionResult:
        """The session's status after a phase failed: asked to stop, or an error."""
        status = status_after({}, self.context.stop_signal.reason() or StopReason.ERROR)
        message = exc.message if status is SessionStatus.ERROR else how_to_go_on("stopped", opening.session)
        return replace(self._closing(opening), status=status, message=message)

    def _closing(self, opening: SessionResult) -> SessionResult:
        """The session so far; what it used counts plans and reviews too, which no candidate made."""
        closed = close(opening, self._results, seconds=time.monotonic() - self._started)
        spent = self.workers.models.spent()
        return replace(
            closed,
            usage=max(closed.usage, spent.usage, key=lambda usage: usage.total),
            cost_usd=max(closed.cost_usd, spent.usd),
            llm_calls=max(closed.llm_calls, spent.calls),
        )

    def _is_stopped(self) -> bool:
        return self.context.stop_signal.is_set()

    def _tell(self, number: int, phase: str, text: str = "") -> None:
        self.context.observe(Progress(number=number, phase=phase, text=text))


def _fails_tests(evidence: Evidence) -> bool:
    return any(gate.name == "suite" for gate in evidence.failed_gates)
