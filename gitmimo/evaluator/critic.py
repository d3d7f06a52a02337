"""A model's opinion on products that passed all gates: rubric first, each alone, then pairs in both orders.

The opinion only orders or rejects what passed; it can't rescue anything. Whatever goes wrong here, errors of the
model included, ends in an opinion that says that it failed, and then nothing depends on it.
"""

import itertools
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files

from gitmimo.behaviour import Difference
from gitmimo.errors import BadReply, MimoError
from gitmimo.evidence import CriticOpinion, Evidence, Outcome
from gitmimo.ids import Oid
from gitmimo.llm.model import ChatRequest, Model
from gitmimo.records import Message
from gitmimo.text import cut_middle, escape_controls

MOST_CANDIDATES = 5
"""Judges get worse with more; the others keep their place behind these."""

_MOST_DIFF = 60_000
_MOST_TASK = 12_000
_MOST_RULES = 8_000
_MOST_RUBRIC = 4_000
_MOST_OUTPUT = 4_000
_MOST_DIFFERENCES = 12
_VERDICT = re.compile(r"^\W*VERDICT\W+(ACCEPT|REJECT)\b", re.M | re.I)
_BETTER = re.compile(r"^\W*BETTER\W+(A|B|TIE)\b", re.M | re.I)
_REMARK = re.compile(r"^\W*REMARK\s+`?([^:`\n]{1,200})`?:\s*(.{1,600})$", re.M | re.I)


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What the critic sees of one product: its diff, what was measured, what behaves differently; not who made it."""

    diff: str
    evidence: Evidence
    differences: tuple[Difference, ...] = ()
    not_compared: str = ""  # why there are no differences to show


def summarise_evidence(evidence: Evidence) -> str:
    """The measurements in a few lines, for the critic and for people."""
    lines = [f"tests: {evidence.tests_passed} of {evidence.tests_run} passed, {len(evidence.fixed_ids)} fixed"]
    if evidence.new_tests_passed:
        on_base = len(evidence.proving_tests)
        lines.append(f"its own new tests: {evidence.new_tests_passed} pass, {on_base} of them fail on base")
    lines += [f"gate {g.name}: {g.outcome.value}" for g in evidence.gates if g.outcome is not Outcome.SKIPPED]
    lines += [f"note: {flag}" for flag in evidence.flags[:12]]
    return "\n".join(escape_controls(line, newlines=False) for line in lines)


def describe_differences(differences: Sequence[Difference], problem: str = "") -> str:
    """Differences of behaviour as lines that one can answer yes or no to; `problem` is why there may be none."""
    lines = [
        f"- for `{each.call}` the old code gives {each.before}, the new one {each.after}"
        + (" (a failing test asks for this call)" if each.is_near_fixed and not each.is_variant else "")
        for each in differences[:_MOST_DIFFERENCES]
    ]
    return "\n".join(escape_controls(line, newlines=False) for line in lines) or problem or "nothing"


class Critic:
    """The critic of one session. Equal products are read once, and so is each pair, however often it is asked.

    With `is_brief` a small model is asked one thing only: whether the answers that changed are the right ones.
    """

    def __init__(
        self,
        model: Model,
        *,
        task: str,
        rules: str = "",
        base_output: str = "",
        is_self_review: bool = False,
        is_brief: bool = False,
    ) -> None:
        self._model = model
        self._rules = cut_middle(escape_controls(rules), _MOST_RULES) or "none are known"
        self._is_self_review = is_self_review
        self._is_brief = is_brief
        self._mark = f"=====[{secrets.token_hex(8)}]====="
        self._values = {
            "task": cut_middle(escape_controls(task), _MOST_TASK),
            "mark": self._mark,
            "rubric": "",
            "base_output": cut_middle(escape_controls(base_output.strip()), _MOST_OUTPUT) or "all tests pass",
        }
        self._reviews: dict[Oid, tuple[bool, dict[str, str]]] = {}
        self._better: dict[tuple[Oid, Oid], Oid | None] = {}

    def review(self, submissions: Mapping[int, Submission]) -> CriticOpinion:
        """Give an opinion on candidates that passed all gates, best first; the first five products are looked at.

        Costs a call for the checklist, one for each product, and two for each pair of those that were not rejected.
        """
        first: dict[Oid, int] = {}  # number of each product
        for number, shown in submissions.items():
            first.setdefault(shown.evidence.tree, number)
        numbers = list(first.values())[:MOST_CANDIDATES]
        opinion = CriticOpinion(model=self._model.info.name, is_self_review=self._is_self_review)
        if not numbers:
            return replace(opinion, failed="there was nothing to judge")
        try:
            if not self._is_brief:
                self._write_rubric()
            reviews = {number: self._review_alone(submissions[number]) for number in numbers}
            left = {number: submissions[number] for number, (accepted, _) in reviews.items() if accepted}
            return replace(
                opinion,
                order=self._rank(left),
                rejected=tuple(number for number in numbers if number not in left),
                comments={
                    f"{number}:{place}" if place else str(number): text
                    for number, (_, remarks) in reviews.items()
                    for place, text in remarks.items()
                },
                rubric=self._values["rubric"],
            )
        except MimoError as error:
            return replace(opinion, failed=error.message)

    def _write_rubric(self) -> None:
        """Get the checklist, before any diff is shown."""
        if self._values["rubric"]:
            return
        text = self._ask("rubric", rules=self._rules).strip()
        if len(text) < 20:
            raise BadReply("the critic wrote no checklist")
        self._values["rubric"] = cut_middle(text, _MOST_RUBRIC)

    def _review_alone(self, shown: Submission) -> tuple[bool, dict[str, str]]:
        """Whether one product is accepted, and remarks by path; the one on all of it has no path."""
        tree = shown.evidence.tree
        if tree not in self._reviews:
            text = self._ask("answers" if self._is_brief else "review", expect=_VERDICT, **self._parts(shown))
            remarks: dict[str, str] = {}
            for place, remark in _REMARK.findall(text):
                name = place.strip()
                remarks[name] = "\n".join(part for part in (remarks.get(name), remark.strip()) if part)
            remarks.setdefault("", cut_middle(_VERDICT.sub("", _REMARK.sub("", text)).strip(), 1_000))
            self._reviews[tree] = str(_VERDICT.findall(text)[-1]).upper() == "ACCEPT", remarks
        return self._reviews[tree]

    def _rank(self, submissions: Mapping[int, Submission]) -> tuple[tuple[int, ...], ...]:
        """Compare every pair in both orders and sort by points; a pair that disagrees with itself is a tie."""
        if self._is_brief:
            return (tuple(submissions),) if submissions else ()
        points = dict.fromkeys(submissions, 0)
        for one, other in itertools.combinations(submissions, 2):
            first = self._preferred(submissions[one], submissions[other])
            second = self._preferred(submissions[other], submissions[one])
            if first is not None and first == second:
                points[one if submissions[one].evidence.tree == first else other] += 2
            else:
                points[one] += 1
                points[other] += 1
        ranked = sorted(submissions, key=lambda number: -points[number])
        return tuple(tuple(group) for _, group in itertools.groupby(ranked, key=lambda number: points[number]))

    def _preferred(self, one: Submission, other: Submission) -> Oid | None:
        """The better of two, shown in this order; None for a tie."""
        pair = one.evidence.tree, other.evidence.tree
        if pair not in self._better:
            parts = {**self._parts(one, "_a", share=2), **self._parts(other, "_b", share=2)}
            text = self._ask("compare", expect=_BETTER, **parts)
            self._better[pair] = {"A": one.evidence.tree, "B": other.evidence.tree}.get(
                _BETTER.findall(text)[-1].upper()
            )
        return self._better[pair]

    def _ask(self, prompt: str, *, expect: re.Pattern[str] | None = None, **parts: str) -> str:
        """One question; asked once more when the reply lacks the line that it must end with."""
        template = (files("gitmimo.evaluator") / "prompts" / f"{prompt}.md").read_text(encoding="utf-8")
        values = {**self._values, **parts}
        text = re.sub(r"\{(\w+)\}", lambda match: values[match[1]], template)
        for _ in range(2):
            request = ChatRequest(messages=(Message(role="user", content=text),), temperature=0.0)
            reply = self._model.complete(request).text
            if expect is None or expect.search(reply):
                return reply
        raise BadReply("the critic's reply holds no verdict")

    def _parts(self, shown: Submission, suffix: str = "", *, share: int = 1) -> dict[str, str]:
        """What a prompt says of a product; the diff's middle is cut out where its share of the window is too small."""
        room = max(2_000, (self._model.info.window - self._model.info.max_output - 4_000) * 3 // share)
        return {
            f"evidence{suffix}": summarise_evidence(shown.evidence),
            f"behaviour{suffix}": describe_differences(shown.differences, shown.not_compared),
            f"diff{suffix}": cut_middle(escape_controls(shown.diff), min(_MOST_DIFF, room)),
        }
