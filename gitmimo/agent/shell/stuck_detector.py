"""Detects an agent that is stuck in a loop: repeated calls, cycles, rotations, and text that repeats itself."""

import enum
import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from gitmimo.records import Action, ActionKind, Observation, Step

_IDENTICAL = 3
_IDENTICAL_CALL = 8  # whatever the results: polling has an end too
_FAILING = 3
_FAILING_DESPITE_CHANGES = 6
_FAILED_EDITS = 4
_CYCLE_WINDOW = 12
_ROTATION_WINDOW = 20
_ROTATION_KINDS = 8
_REMEMBERED = 48
_FORGIVEN_AFTER = 25  # calls without a loop, with a change among them

REMARK = "\n\nFrom git-mimo: "
"""Begins what is added to an observation; it does not count as a result."""

_VOLATILE = re.compile(
    r"\d+\.\d+ ?(?:s|ms|seconds|sec)\b|\b0x[0-9a-f]{6,}\b|\b\d\d:\d\d:\d\d(?:\.\d+)?\b", re.IGNORECASE
)
_FENCED = re.compile(r"^(`{3,}|~{3,}).*?^\1[ \t]*$", re.DOTALL | re.MULTILINE)
_TABLE_LINE = re.compile(r"^[ \t]*[|+].*$", re.MULTILINE)
_SENTENCE_END = re.compile(r"[.!?。!?\n]+")
_TAIL = 4000
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W_]+(?:['’_-]\w+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call and its result, reduced to what repetition is measured by."""

    what: str
    result: str
    kind: ActionKind = ActionKind.SHELL
    subject: str = ""  # the path of an edit
    failed: bool = False
    changed: bool = False  # the worktree, so that the same command may now say something else


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """A repetition at the end of a history; `period` calls make one round of it."""

    pattern: str
    period: int = 1


class Response(enum.StrEnum):
    """The responses to a loop, in the order in which they are tried."""

    REMIND = "remind"
    REPLAN = "replan"
    STOP = "stop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervention:
    """The response to a loop, with the message to the agent."""

    response: Response
    text: str


def find_loop(calls: Sequence[Call]) -> Loop | None:
    """Say whether a history ends in a loop.

    The same call with another result is no loop, nor is a command that is run again after a change: testing, editing
    and testing again is work. Waiting for something is allowed a few times.
    """
    for find in (_identical, _failing, _failed_edits, _cycle, _rotation):
        loop = find(calls)
        if loop is not None:
            return loop
    return None


def _identical(calls: Sequence[Call]) -> Loop | None:
    if not calls:
        return None
    same = sum(1 for _ in _tail_while(calls, lambda call, last: (call.what, call.result) == (last.what, last.result)))
    if same >= _IDENTICAL:
        return Loop(pattern=f"the same call {same} times with the same result: {_brief(calls[-1])}")
    asked = sum(1 for _ in _tail_while(calls, lambda call, last: call.what == last.what))
    if asked >= _IDENTICAL_CALL:
        return Loop(pattern=f"the same call {asked} times in a row: {_brief(calls[-1])}")
    return None


def _tail_while(calls: Sequence[Call], alike: Callable[[Call, Call], bool]) -> Iterator[Call]:
    for call in reversed(calls):
        if not alike(call, calls[-1]):
            return
        yield call


def _failing(calls: Sequence[Call]) -> Loop | None:
    if not calls or not calls[-1].failed:
        return None
    last = calls[-1]
    same = 0
    for call in reversed(calls):
        if call.changed:
            break
        same += call.failed and call.what == last.what
    if same >= _FAILING:
        return Loop(pattern=f"a call that failed {same} times, and nothing was changed between: {_brief(last)}")
    despite = sum(call.failed and (call.what, call.result) == (last.what, last.result) for call in calls)
    if despite >= _FAILING_DESPITE_CHANGES:
        return Loop(pattern=f"a call that failed in the same way {despite} times, whatever was changed: {_brief(last)}")
    return None


def _failed_edits(calls: Sequence[Call]) -> Loop | None:
    if not calls or not calls[-1].failed or calls[-1].kind is not ActionKind.EDIT:
        return None
    count = 0
    for call in reversed(calls):
        if call.changed:
            break
        count += call.failed and call.kind is ActionKind.EDIT and call.subject == calls[-1].subject
    if count < _FAILED_EDITS:
        return None
    return Loop(
        pattern=f"{count} edits of `{calls[-1].subject}` that did not match: read the file again, or write it whole"
    )


def _cycle(calls: Sequence[Call]) -> Loop | None:
    recent = [(call.what, call.result) for call in calls[-_CYCLE_WINDOW:]]
    for period in (2, 3, 4):
        needed = period * 3
        if len(recent) < needed:
            continue
        tail = recent[-needed:]
        if all(tail[i] == tail[i + period] for i in range(needed - period)) and len(set(tail[:period])) > 1:
            return Loop(pattern=f"a round of {period} calls, again and again", period=period)
    return None


def _rotation(calls: Sequence[Call]) -> Loop | None:
    recent = calls[-_ROTATION_WINDOW:]
    if any(call.changed for call in recent):  # changes that come back too: look at twice as many
        recent = calls[-2 * _ROTATION_WINDOW :]
        if len(recent) < 2 * _ROTATION_WINDOW:
            return None
    if len(recent) < _ROTATION_WINDOW:
        return None
    kinds = Counter((call.what, call.result) for call in recent)
    if len(kinds) > _ROTATION_KINDS or min(kinds.values()) < 2:
        return None
    return Loop(pattern=f"the same {len(kinds)} calls in turn for {len(recent)} calls", period=len(kinds))


class StuckDetector:
    """Watches a candidate's steps and answers a loop with a reminder, then a new plan, then the end.

    Bounded: it remembers the last calls only. The same steps always give the same nudges, so a resumed candidate
    has the same state.
    """

    def __init__(self) -> None:
        self._calls: list[Call] = []
        self._given = 0
        self._clean = 0
        self._changed = False

    def add(self, calls: Sequence[Call]) -> Intervention | None:
        """Take in one step's calls."""
        nudge: Intervention | None = None
        for call in calls:
            self._calls = [*self._calls[-(_REMEMBERED - 1) :], call]
            self._clean += 1
            self._changed |= call.changed
            if self._clean >= _FORGIVEN_AFTER and self._changed:
                self._given = 0
            loop = find_loop(self._calls)
            if loop is not None:
                nudge = self._answer(loop)
        return nudge

    def _answer(self, loop: Loop) -> Intervention:
        response = (Response.REMIND, Response.REPLAN, Response.STOP)[min(self._given, 2)]
        self._given += 1
        self._clean, self._changed = 0, False
        self._calls = self._calls[-loop.period :]  # the next round counts from here
        return Intervention(response=response, text=_TEXTS[response].format(pattern=loop.pattern))


_TEXTS = {
    Response.REMIND: "You repeat yourself: {pattern}. The result will be the same. "
    "Use what you know, or try another way.",
    Response.REPLAN: "You still repeat yourself: {pattern}. Stop doing this. Keep a new plan that reaches the goal in "
    "another way, then follow it. If there is no other way, give up and say why.",
    Response.STOP: "repeated itself after a reminder and a new plan: {pattern}",
}


def calls_of(actions: Sequence[Action], observations: Sequence[Observation]) -> tuple[Call, ...]:
    """The calls of a step, reduced to what is compared. Times and addresses in results do not count."""
    return tuple(_call(action, observation) for action, observation in zip(actions, observations, strict=True))


def calls_of_step(step: Step) -> tuple[Call, ...]:
    """The calls of a kept step."""
    return calls_of(step.actions, step.observations)


def _call(action: Action, observation: Observation) -> Call:
    failed = observation.exit_code not in (None, 0)
    text = " ".join(action.text.split()) if action.kind is ActionKind.SHELL else f"{action.old}\0{action.text}"
    what = f"{text}\0{action.first}-{action.last}" if action.first or action.last else text
    return Call(
        what=f"{action.kind.value} {action.path} {_digest(what)} {what[:80]}",
        result=fingerprint(observation.text),
        kind=action.kind,
        subject=action.path,
        failed=failed,
        changed=observation.changed,
    )


def fingerprint(text: str) -> str:
    """Equal for results that say the same, whatever their times and addresses."""
    return _digest(_VOLATILE.sub("", text.split(REMARK, 1)[0]))


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _brief(call: Call) -> str:
    """A call in a few words, without anything that could be taken for an answer."""
    kind, path, _, text = (*call.what.split(" ", 3), "", "", "")[:4]
    shown = path or " ".join(text.split())
    return f"{kind} {shown[:60]}".strip() if kind != ActionKind.INVALID else "a reply that could not be read"


def repeats_itself(text: str) -> bool:
    """Whether prose ends in repetition: equal pieces, or one phrase 20 times in sentences that are mostly the same.

    Tables, code in fences and lists whose lines differ don't count: a phrase needs four words, three of them different.
    Chinese, Japanese and Korean characters count as a word each, so a phrase there needs eight.
    """
    prose = _TABLE_LINE.sub("", _FENCED.sub("", text))[-_TAIL:]
    if _has_equal_tail(prose):
        return True
    sentences = [sentence.strip() for sentence in _SENTENCE_END.split(prose) if sentence.strip()]
    if len(set(sentences)) * 2 > len(sentences):
        return False
    return _phrase_repeats(_WORD.findall(prose)[-500:])


def _phrase_repeats(words: Sequence[str]) -> bool:
    is_dense = sum(len(word) == 1 and ord(word) > 0x2E80 for word in words) > len(words) / 2
    size = 8 if is_dense else 4
    counts: Counter[tuple[str, ...]] = Counter()
    for at in range(len(words) - size + 1):
        phrase = tuple(words[at : at + size])
        counts[phrase] += 1
        if counts[phrase] >= 20 and len(set(phrase)) >= 3:
            return True
    return False


def _has_equal_tail(text: str) -> bool:
    """Whether the text ends in eight or more equal pieces with at least 400 characters and three words in all."""
    tail = text.rstrip()[-2400:]
    for size in range(8, 301):
        if size * 8 > len(tail):
            return False
        piece = tail[-size:]
        rounds = 1
        while tail[-size * (rounds + 1) : -size * rounds or None] == piece:
            rounds += 1
        if rounds >= 8 and rounds * size >= 400 and len(set(_WORD.findall(piece))) >= 3:
            return True
    return False
