"""Detects an agent that is stuck in a loop: calls that bring nothing new, and text that repeats itself."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from gitmimo.records import Action, ActionKind, Observation

_ROUNDS = 3
_MOST_IN_ROUND = 8  # different calls
_FAILING = 3
_FAILED_EDITS = 4  # of one file, each with another passage
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
_REPEATED = re.compile(r"(.{8,300}?)\1{7,}", re.DOTALL)
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W_]+(?:['’_-]\w+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call and its result, reduced to what repetition is measured by."""

    what: str
    result: str
    shown: str = ""  # in a few words, without anything that could be taken for an answer
    edits: str = ""  # the path of an edit
    failed: bool = False
    changed: bool = False  # the worktree, so that the same command may now say something else


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervention:
    """The response to a loop: a message to the agent, or the end."""

    text: str
    is_end: bool


def find_loop(calls: Sequence[Call]) -> str:
    """The loop that a history ends in, in words; empty for none.

    A loop is a few calls with the same results that make up three times as many, or a call that failed again and again
    while nothing was changed. The same call with another result is none, nor is a command that is run again after a
    change: testing, editing and testing again is work.
    """
    recent = [(call.what, call.result) for call in calls]
    for most in range(1, min(_MOST_IN_ROUND, len(recent) // _ROUNDS) + 1):
        count = most * _ROUNDS
        if len(set(recent[-count:])) <= most:
            if most == 1:
                return f"the same call {count} times with the same result: {calls[-1].shown}"
            return f"the same {most} calls in turn for {count} calls"
    if not calls or not calls[-1].failed:
        return ""
    last = calls[-1]
    since = next((at for at in range(len(calls), 0, -1) if calls[at - 1].changed), 0)
    if last.edits:
        missed = sum(call.failed and call.edits == last.edits for call in calls[since:])
        hint = f"{missed} edits of `{last.edits}` that did not match: read the file again, or write it whole"
        return hint if missed >= _FAILED_EDITS else ""
    same = sum(call.failed and call.what == last.what for call in calls[since:])
    return f"a call that failed {same} times, and nothing was changed between: {last.shown}" if same >= _FAILING else ""


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
    calls = []
    for action, observation in zip(actions, observations, strict=True):
        words = " ".join(action.text.split())
        text = words if action.kind is ActionKind.SHELL else f"{action.old}\0{action.text}"
        shown = f"{action.kind.value} {action.path or words[:60]}".strip()
        call = Call(
            what=f"{action.kind.value} {action.path} {action.first}-{action.last} {text}",
            result=fingerprint(observation.text),
            shown="a reply that could not be read" if action.kind is ActionKind.INVALID else shown,
            edits=action.path if action.kind is ActionKind.EDIT else "",
            failed=observation.exit_code not in (None, 0),
            changed=observation.changed,
        )
        calls.append(call)
    return tuple(calls)


def fingerprint(text: str) -> str:
    """Equal for results that say the same, whatever their times and addresses."""
    return _VOLATILE.sub("", text.split(REMARK, 1)[0])


def repeats_itself(text: str) -> bool:
    """Whether prose ends in eight or more equal pieces, of at least 400 characters and three words in all.

    Tables and code in fences don't count.
    """
    tail = _TABLE_LINE.sub("", _FENCED.sub("", text)).rstrip()[-_TAIL:]
    found = _REPEATED.match(tail[::-1])
    return found is not None and len(found[0]) >= 400 and len(set(_WORD.findall(found[1][::-1]))) >= 3
