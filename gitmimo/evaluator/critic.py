"""A model's opinion on products that passed all gates: rubric first, each alone, then pairs in both orders.

The opinion only orders or rejects what passed; it can't rescue anything. Whatever goes wrong here, errors of the
model included, ends in an opinion that failed, and then nothing depends on it.
"""

import itertools
import re
import secrets
from collections.abc import Mapping, Sequence
from importlib.resources import files

from gitmimo.errors import BadReply, MimoError
from gitmimo.evaluator.verdict import rank_without_critic
from gitmimo.evidence import CandidateFacts, CriticOpinion, Evidence, Outcome
from gitmimo.llm.model import ChatRequest, Model
from gitmimo.records import Message
from gitmimo.text import escape_controls

MOST_CANDIDATES = 5
"""Judges get worse with more; the others keep their place behind these."""

_MOST_DIFF = 60_000
_MOST_TASK = 12_000
_MOST_RULES = 8_000
_MOST_RUBRIC = 4_000
_VERDICT = re.compile(r"^\W*VERDICT\W+(ACCEPT|REJECT)\b", re.M | re.I)
_BETTER = re.compile(r"^\W*BETTER\W+(A|B|TIE)\b", re.M | re.I)
_REMARK = re.compile(r"^\W*REMARK\s+`?([^:`\n]{1,200})`?:\s*(.{1,600})$", re.M | re.I)


def ask_critic(
    model: Model, *, task: str, rules: str, diffs: Mapping[int, str], evidence: Mapping[int, Evidence]
) -> CriticOpinion:
    """Ask for an opinion on candidates that passed all gates, keyed by their numbers.

    Equal products are shown once, and only the first five by the verdict's own order. Costs one call, one per product,
    and two per pair of those that were not rejected.
    """
    facts = [CandidateFacts(number=number, evidence=evidence[number]) for number in sorted(diffs) if number in evidence]
    numbers = rank_without_critic(facts)[:MOST_CANDIDATES]
    if not numbers:
        return CriticOpinion(model=model.info.name, failed="there was nothing to judge")
    critic = _Critic(model, task, {number: _Submission(diffs[number], evidence[number]) for number in numbers})
    try:
        critic.write_rubric(rules)
        rejected = tuple(number for number in numbers if not critic.accepts(number))
        left = [number for number in numbers if number not in rejected]
        return CriticOpinion(
            order=critic.rank(left),
            rejected=rejected,
            comments=dict(critic.comments),
            rubric=critic.rubric,
            model=model.info.name,
        )
    except MimoError as error:
        return CriticOpinion(model=model.info.name, failed=error.message)


def summarise_evidence(evidence: Evidence) -> str:
    """The measurements in a few lines, for the critic and for people."""
    lines = [f"tests: {evidence.tests_passed} of {evidence.tests_run} passed, {len(evidence.fixed_ids)} mended"]
    if evidence.new_tests_passed:
        on_base = evidence.new_tests_failing_on_base
        lines.append(f"its own new tests: {evidence.new_tests_passed} pass, {on_base} of them fail on base")
    lines += [f"gate {g.name}: {g.outcome.value}" for g in evidence.gates if g.outcome is not Outcome.SKIPPED]
    lines += [f"note: {flag}" for flag in evidence.flags[:12]]
    return "\n".join(escape_controls(line, newlines=False) for line in lines)


class _Submission:
    """What the critic sees of one product: its diff and what was measured, not who made it or why."""

    def __init__(self, diff: str, evidence: Evidence) -> None:
        self.diff = diff
        self.evidence = summarise_evidence(evidence)


class _Critic:
    """One review: what is asked, in which words, and how replies are read."""

    def __init__(self, model: Model, task: str, submissions: Mapping[int, _Submission]) -> None:
        self._model = model
        self._task = _cut(escape_controls(task), _MOST_TASK)
        self._submissions = submissions
        self._mark = f"=====[{secrets.token_hex(8)}]====="
        self.rubric = ""
        self.comments: dict[str, str] = {}

    def write_rubric(self, rules: str) -> None:
        """Get the checklist, before any diff is shown."""
        text = self._ask("rubric", rules=_cut(escape_controls(rules), _MOST_RULES) or "none are known")
        if len(text.strip()) < 20:
            raise BadReply("the critic wrote no checklist")
        self.rubric = _cut(text.strip(), _MOST_RUBRIC)

    def accepts(self, number: int) -> bool:
        """Let one product be reviewed alone, and keep the remarks."""
        shown = self._submissions[number]
        text = self._ask("review", evidence=shown.evidence, diff=self._fit(shown.diff, 1), expect=_VERDICT)
        for place, remark in _REMARK.findall(text):
            key = f"{number}:{place.strip()}"
            self.comments[key] = "\n".join(part for part in (self.comments.get(key), remark.strip()) if part)
        self.comments.setdefault(str(number), _cut(_VERDICT.sub("", text).strip(), 1_000))
        return str(_VERDICT.findall(text)[-1]).upper() == "ACCEPT"

    def rank(self, numbers: Sequence[int]) -> tuple[tuple[int, ...], ...]:
        """Compare every pair in both orders and sort by points; a pair that disagrees with itself is a tie."""
        points = dict.fromkeys(numbers, 0)
        for one, other in itertools.combinations(numbers, 2):
            first, second = self._better(one, other), self._better(other, one)
            if first is not None and first == second:
                points[first] += 2
            else:
                points[one] += 1
                points[other] += 1
        ranked = sorted(numbers, key=lambda number: -points[number])
        return tuple(tuple(group) for _, group in itertools.groupby(ranked, key=lambda number: points[number]))

    def _better(self, a: int, b: int) -> int | None:
        one, other = self._submissions[a], self._submissions[b]
        text = self._ask(
            "compare",
            evidence_a=one.evidence,
            diff_a=self._fit(one.diff, 2),
            evidence_b=other.evidence,
            diff_b=self._fit(other.diff, 2),
            expect=_BETTER,
        )
        return {"A": a, "B": b}.get(_BETTER.findall(text)[-1].upper())

    def _ask(self, prompt: str, *, expect: re.Pattern[str] | None = None, **parts: str) -> str:
        """One question; asked once more when the reply lacks the line that it must end with."""
        template = (files("gitmimo.evaluator") / "prompts" / f"{prompt}.md").read_text(encoding="utf-8")
        values = {"task": self._task, "rubric": self.rubric, "mark": self._mark, **parts}
        text = re.sub(r"\{(\w+)\}", lambda match: values[match[1]], template)
        for _ in range(2):
            request = ChatRequest(messages=(Message(role="user", content=text),), temperature=0.0)
            reply = self._model.complete(request).text
            if expect is None or expect.search(reply):
                return reply
        raise BadReply("the critic's reply holds no verdict")

    def _fit(self, diff: str, share: int) -> str:
        """A diff with hidden characters shown and its middle cut out where the window is too small for it."""
        room = max(2_000, (self._model.info.window - self._model.info.max_output - 4_000) * 3 // share)
        return _cut(escape_controls(diff), min(_MOST_DIFF, room))


def _cut(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n[... {len(text) - 2 * half} characters left out ...]\n{text[-half:]}"
