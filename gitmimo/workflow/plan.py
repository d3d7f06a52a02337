"""What a session is to do, and who is next, and what its candidates hear of earlier work."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from gitmimo.agent.interface import Feedback
from gitmimo.config import Config
from gitmimo.evaluator.testbed import TestBed
from gitmimo.evidence import Evidence, Verdict
from gitmimo.ids import Oid
from gitmimo.records import CandidateResult, StopReason, Task
from gitmimo.workflow.evaluate import SessionEvaluator
from gitmimo.workflow.history import Past
from gitmimo.workflow.scripts import Grants

_PASSED = 1_000_000  # more than any number of tests
_PATIENCE = {"low": 1, "normal": 2}  # candidates that bring nothing until no other is paid; all at high effort
_MOST_OUTPUT = 3_000
_MOST_EARLIER = 3  # candidates that the next round hears about
_MOST_OF_ONE = 1_500


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything a session needs to know before it starts."""

    task: Task
    base: Oid
    target_branch: str | None
    config: Config
    testbed: TestBed  # the sandbox, and how the project is set up and tested
    evaluator: SessionEvaluator | None = None  # knows the base's tests; not where candidates work on other machines
    grants: Grants = Grants()  # what a person lets an operation's commands reach outside the worktree
    prefix: str = ""  # rules and memory: the stable beginning of every candidate's prompt
    follows: tuple[str, ...] = ()  # changes of this kind, which the skill that fits the task names
    candidates: int = 1
    effort: str = "normal"  # low, normal or high: see `is_futile`
    worktree_root: str = ""  # where a Ray worker makes its worktrees; elsewhere the state directory
    past: Past | None = None  # what was reached before, when the session is resumed


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """What one candidate gets besides the task: the feedback on work that was judged."""

    number: int
    feedback: tuple[Feedback, ...] = ()
    goes_on: bool = False  # after the steps that are on its branch


def next_round(
    candidates: int, done: Collection[int], *, rungs: int = 1, at_once: bool = False, one_at_a_time: bool = False
) -> tuple[int, ...]:
    """The candidates that start together after those that are `done`; none when there are no more.

    One on each rung of the ladder of models, then all that are left. `one_at_a_time`: where they would only wait for
    each other, and where a product has passed, whose verdict a second one may settle.
    """
    left = tuple(number for number in range(1, candidates + 1) if number not in done)
    if at_once or not left:
        return left
    return left[:1] if one_at_a_time or left[0] <= max(1, rungs - 1) else left


def is_futile(plan: Plan, results: Mapping[int, CandidateResult], models: Collection[str]) -> bool:
    """Whether another candidate is not worth it: the last ones brought nothing that an earlier one had not.

    What counts is a product that passed, or more failing tests fixed than before. Nor is it where every one of the
    `models` was asked and none answered at all: a wrong key, an unknown name, no server.
    """
    tried = results.values()
    silent = all(r.status == StopReason.ERROR and not r.usage.total and r.agent == "mimo" for r in tried)
    if results and silent and {*models} <= {result.model for result in tried}:
        return True
    evidence = [results[number].evidence for number in sorted(results) if number]
    gains = [len(each.fixed_ids) + _PASSED * each.passed if each else 0 for each in evidence]
    patience = _PATIENCE.get(plan.effort, plan.candidates)
    recent, best = gains[-patience:], max(gains[:-patience], default=0)
    return patience <= len(gains) < plan.candidates and max(recent) <= best


def gate_feedback(result: CandidateResult) -> Feedback | None:
    """What the gates said against a candidate's product, for the same candidate; None when they said nothing."""
    evidence = result.evidence
    if evidence is None or not evidence.failed_gates:
        return None
    text = (
        f"Your change was judged in a fresh checkout, with the tests as they are in the base commit, and refused.\n"
        f"{_gates(evidence)}\n\nYour work stands as you left it. Go on from there, and finish again."
    )
    return Feedback(text=text, after_step=result.steps)


def critic_feedback(result: CandidateResult, verdict: Verdict) -> Feedback | None:
    """What the critic said against a candidate that passed; None when it was not rejected."""
    remarks = _remarks(result.number, verdict)
    if not remarks:
        return None
    text = (
        f"Your change passed every test, and a reviewer rejected it.\n{remarks}\n\n"
        "Your work stands as you left it. Where the reviewer is right, go on from there; then finish again."
    )
    return Feedback(text=text, after_step=result.steps)


def feedback_for_next_round(results: Mapping[int, CandidateResult], verdict: Verdict | None) -> tuple[Feedback, ...]:
    """Feedback on earlier candidates for the next ones: the objections only, not what they did."""
    found = []
    for number, result in sorted(results.items()):
        evidence = result.evidence
        if evidence is not None and evidence.failed_gates:
            said = _gates(evidence)
        else:
            said = _remarks(number, verdict) if verdict else ""
        if verdict and verdict.winner == number and not said:
            said = _strange(verdict)
        if result.status == StopReason.GAVE_UP and result.summary:
            said = f"- it gave up: {result.summary}"
        if said:
            found.append(Feedback(text=f"An earlier attempt was not accepted:\n{said[:_MOST_OF_ONE]}"))
    return tuple(found[-_MOST_EARLIER:])


def _gates(evidence: Evidence) -> str:
    lines = [f"- {gate.name}: {gate.detail or gate.outcome.value}" for gate in evidence.failed_gates]
    output = evidence.output.strip()[-_MOST_OUTPUT:]
    return "\n".join([*lines, *(["End of the output:", output] if output else [])])


def _remarks(number: int, verdict: Verdict) -> str:
    critic = verdict.critic
    if critic is None or number not in critic.rejected:
        return ""
    own: Sequence[str] = [
        f"- {key.partition(':')[2] or 'in all'}: {text}"
        for key, text in critic.comments.items()
        if key.partition(":")[0] == str(number)
    ]
    return "\n".join(own) or "- it gave no reason"


def _strange(verdict: Verdict) -> str:
    """Answers that changed without need. That a second candidate is wanted is no reason to tell it anything."""
    behaviour = [doubt for doubt in verdict.doubts if doubt.startswith("it ")]
    return "\n".join(f"- {doubt}" for doubt in behaviour)
