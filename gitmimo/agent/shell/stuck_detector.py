"""Detects an agent that is stuck in a loop: calls that bring nothing new, and text that repeats itself."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from gitmimo.records import Action, ActionKind, Observation, Step

_ROUNDS = 3
_MOST_IN_ROUND = 8  # different calls
_IDENTICAL_CALL = 8  # whatever the results: polling has an end too
_FAILING = 3
_FAILED_EDITS = 4  # of one file, each with another passage
_FAILING_DESPITE_CHANGES = 6
_REMEMBERED = 48
_FORGIVEN_AFTER = 25  # calls without a loop, with a change among them

REMARK = "\n\nFrom git-mimo: "
"""Begins what is added to an observation; it does not count as a result."""

_ANSWERS = (
    "You repeat yourself: {pattern}. The result will be the same. Use what you know, or try another way.",
    "You still repeat yourself: {pattern}. Stop doing this. Keep a new plan that reaches the goal in another way, then "
    "follow it. If there is no other way, give up and say why.",
    "repeated itself after a reminder and a new plan: {pattern}",
)
_VOLATILE = re.compile(
    r"\d+\.\d+ ?(?:s|ms|seconds|sec)\b|\b0x[0-9a-f]{6,}\b|\b\d\d:\d\d:\d\d(?:\.\d+)?\b", re.IGNORECASE
)
_FENCED = re.compile(r"^(`{3,}|~{3,}).*?^\1[ \t]*$", re.DOTALL | re.MULTILINE)
_TABLE_LINE = re.compile(r"^[ \t]*[|+].*$", re.MULTILINE)
_TAIL = 2400
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
class Intervention:
    """The response to a loop: a message to the agent, or the end."""

    text: str
    is_end: bool


def find_loop(calls: Sequence[Call]) -> str:
    """The loop that a history ends in, in words; empty for none.

    The same call with another result is no loop, nor is a command that is run again after a change: testing, editing
    and testing again is work. Waiting for something is allowed a few times.
    """
    return (_round(calls) or _polling(calls) or _failing(calls)) if calls else ""


def _round(calls: Sequence[Call]) -> str:
    """A few calls with the same results make up three times as many."""
    recent = [(call.what, call.result) for call in calls]
    for most in range(1, min(_MOST_IN_ROUND, len(recent) // _ROUNDS) + 1):
        count = most * _ROUNDS
        if len(set(recent[-count:])) <= most:
            if most == 1:
                return f"the same call {count} times with the same result: {_brief(calls[-1])}"
            return f"the same {most} calls in turn for {count} calls"
    return ""


def _polling(calls: Sequence[Call]) -> str:
    recent = [call.what for call in calls[-_IDENTICAL_CALL:]]
    if len(recent) == _IDENTICAL_CALL and len(set(recent)) == 1:
        return f"the same call {_IDENTICAL_CALL} times in a row: {_brief(calls[-1])}"
    return ""


def _failing(calls: Sequence[Call]) -> str:
    last = calls[-1]
    if not last.failed:
        return ""
    is_edit = last.kind is ActionKind.EDIT
    since = next((at for at in range(len(calls), 0, -1) if calls[at - 1].changed), 0)
    same = sum(
        call.failed and (call.subject == last.subject if is_edit else call.what == last.what)
        for call in calls[since:]
        if call.kind is last.kind
    )
    if is_edit and same >= _FAILED_EDITS:
        return f"{same} edits of `{last.subject}` that did not match: read the file again, or write it whole"
    if not is_edit and same >= _FAILING:
        return f"a call that failed {same} times, and nothing was changed between: {_brief(last)}"
    despite = sum(call.failed and (call.what, call.result) == (last.what, last.result) for call in calls)
    if despite >= _FAILING_DESPITE_CHANGES:
        return f"a call that failed in the same way {despite} times, whatever was changed: {_brief(last)}"
    return ""


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
            pattern = find_loop(self._calls)
            if pattern:
                nudge = self._answer(pattern)
        return nudge

    def _answer(self, pattern: str) -> Intervention:
        index = min(self._given, len(_ANSWERS) - 1)
        self._given += 1
        self._clean, self._changed = 0, False
        self._calls = self._calls[-1:]  # the next round counts from here
        return Intervention(text=_ANSWERS[index].format(pattern=pattern), is_end=index == len(_ANSWERS) - 1)


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
    """Whether prose ends in eight or more equal pieces, of at least 400 characters and three words in all.

    Tables and code in fences don't count.
    """
    tail = _TABLE_LINE.sub("", _FENCED.sub("", text)).rstrip()[-_TAIL:]
    for size in range(8, _TAIL // 8 + 1):
        if size * 8 > len(tail):
            return False
        piece = tail[-size:]
        rounds = 1
        while tail[-size * (rounds + 1) : -size * rounds or None] == piece:
            rounds += 1
        if rounds >= 8 and rounds * size >= 400 and len(set(_WORD.findall(piece))) >= 3:
            return True
    return False
