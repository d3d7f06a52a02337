"""Feedback: why a product was refused or rejected, in words for the same candidate or the next ones. Pure."""

from collections.abc import Mapping, Sequence

from gitmimo.agent.interface import Feedback
from gitmimo.evidence import Evidence, Verdict
from gitmimo.results import CandidateResult

_MOST_OUTPUT = 3_000
_MOST_EARLIER = 3  # candidates that the next round hears about
_MOST_OF_ONE = 1_500


def of_gates(result: CandidateResult) -> Feedback | None:
    """What the gates said against a candidate's product, for the same candidate; None when they said nothing."""
    evidence = result.evidence
    if evidence is None or not evidence.failed_gates:
        return None
    text = (
        f"Your change was judged in a fresh checkout, with the tests as they are in the base commit, and refused.\n"
        f"{_gates(evidence)}\n\nYour work stands as you left it. Go on from there, and finish again."
    )
    return Feedback(text=text, after_step=result.steps)


def of_critic(result: CandidateResult, verdict: Verdict) -> Feedback | None:
    """What the critic said against a candidate that passed; None when it was not rejected."""
    remarks = _remarks(result.number, verdict)
    if not remarks:
        return None
    text = (
        f"Your change passed every test, and a reviewer rejected it.\n{remarks}\n\n"
        "Your work stands as you left it. Where the reviewer is right, go on from there; then finish again."
    )
    return Feedback(text=text, after_step=result.steps)


def for_next_round(results: Mapping[int, CandidateResult], verdict: Verdict | None) -> tuple[Feedback, ...]:
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
