"""A chore done as it was done before: each file of the last change of its kind is shown and asked for anew.

For small models, which go on with a pattern well when it is in front of them and find no place by themselves. A skill
names the changes (`CandidateInput.follows`); one question a file, with what each change made of it.
"""

import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from gitmimo.agent.interface import StrategyResult, Work, Workspace
from gitmimo.agent.patch.localize import Site, read_text
from gitmimo.agent.patch.questions import CHARACTERS_A_TOKEN, Question, ask, read_reply
from gitmimo.files import is_test_path
from gitmimo.ids import utc_now
from gitmimo.records import Action, ActionKind, Observation, Reply, Step, StopReason
from gitmimo.sandbox.files import write_inside

_MOST_CHANGES = 3
_MOST_FILES = 8
_LONGEST = 6_000  # characters of a file that is written whole
_SPARE = 200  # tokens
_MOST_SHOWN = 3_000  # characters of a file's earlier versions; of a longer one only the last change is shown


@dataclass(frozen=True, slots=True, kw_only=True)
class PastFile:
    """One file of a past change; `before` is None for a new one."""

    path: str
    before: str | None
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PastChange:
    """One change to follow, new files first: the others name them."""

    subject: str
    files: tuple[PastFile, ...]


def read_past_changes(workspace: Workspace, commits: Sequence[str]) -> tuple[PastChange, ...]:
    """The changes that can be followed, the newest last; `commits` begins with the newest. Empty without that one."""
    found = [read_past_change(workspace, commit) for commit in commits[:_MOST_CHANGES]]
    return tuple(change for change in reversed(found) if change is not None) if found and found[0] else ()


def read_past_change(workspace: Workspace, commit: str) -> PastChange | None:
    """A commit without tests, `.mimo/` and what it removed; None where it is not there, or touches too much."""
    name = shlex.quote(commit)
    shown = workspace.run(f"git show --no-renames --diff-filter=AM --name-status --format=%s {name} -- . ':!.mimo'")
    if shown.exit_code:
        return None
    subject, *listed = [line for line in shown.output.splitlines() if line.strip()] or [""]
    changed = [line.partition("\t")[::2] for line in sorted(listed)]
    kept = [(status, path) for status, path in changed if path and not is_test_path(path)]
    if not 0 < len(kept) <= _MOST_FILES:
        return None
    files = [
        PastFile(
            path=path,
            before=_text_of(workspace, f"{commit}^", path) if status == "M" else None,
            after=_text_of(workspace, commit, path),
        )
        for status, path in kept
    ]
    return PastChange(subject=subject, files=tuple(files))


def follow_changes(work: Work, changes: Sequence[PastChange]) -> StrategyResult:
    """Ask for each file of the last change and write it; the end names what was left alone."""
    change = changes[-1]
    candidate = work.candidate
    questions = _Questions(work, changes)
    left: list[str] = []
    for number, past in enumerate(change.files[: candidate.max_steps], start=1):
        if number <= len(candidate.history):
            step = candidate.history[number - 1]
        elif (reason := work.stop()) is not None:
            return StrategyResult(stop_reason=reason)
        elif (made := questions.step(number, past)) is not None:
            step = work.record(made)
        else:
            return StrategyResult(stop_reason=work.stop() or StopReason.INTERRUPTED)
        if step.changed_paths:
            questions.new_paths += step.changed_paths if past.before is None else ()
        else:
            left.append(f"not done as in the change before: {past.path}: {step.observations[0].text}")
    tests = work.workspace.test()
    said = "pass" if tests is None or tests.exit_code == 0 else "fail"
    summary = f"done as in `{change.subject}`; the tests {said}"
    return StrategyResult(stop_reason=StopReason.FINISHED, summary=summary, remarks=tuple(left))


class _Questions:
    """Asks for one file after the other; `new_paths` are those that were made so far, which the next questions name."""

    def __init__(self, work: Work, changes: Sequence[PastChange]) -> None:
        self._work = work
        self._task, self._root = work.candidate.task.text, work.workspace.root
        self._begins = work.model.info.accepts_prefill
        self._changes = changes
        self.new_paths: list[str] = []

    def step(self, number: int, past: PastFile) -> Step | None:
        """Ask for one file and write it; None if the question was cancelled."""
        started = utc_now()
        path = past.path if past.before is not None else self._new_path(past)
        old = read_text(self._root, path) if path else None
        problem = self._problem(past, path, old)
        reply = Reply(text="") if problem else self._ask(past, path, old or "")
        if reply.finish_reason == "cancelled":
            return None
        text = ""
        if not problem:
            proposed = read_reply(reply, Site(path=path, text=old or ""), root=self._root, opening="")
            text = _in_order(old or "", dict(proposed.files).get(path, ""))
            problem = proposed.problem or ("the file is the same as before" if text in ("", old) else "")
        if problem:
            action = Action(kind=ActionKind.INVALID, text=problem)
        else:
            write_inside(self._root, path, text.encode())
            action = Action(kind=ActionKind.WRITE, path=path, text=text)
        return Step(
            number=number,
            reply=reply,
            actions=(action,),
            observations=(Observation(text=problem or "written"),),
            started=started,
            changed_paths=() if problem else (path,),
        )

    def _problem(self, past: PastFile, path: str, old: str | None) -> str:
        """Why a file can't be asked for; empty if it can."""
        if not path:
            return "no name for a file like it"
        if (old is None) != (past.before is None):
            return f"{path} is there already" if old is not None else f"{path} is not there any more"
        return f"{path} is too long to be written whole" if len(old or past.after) > _LONGEST else ""

    def _new_path(self, past: PastFile) -> str:
        """The path of a new file beside the one that the last change made; empty if the model names no good one."""
        place = PurePosixPath(past.path)
        parent = f"{place.parent}/" if str(place.parent) != "." else ""
        known = [f"Task: {change.subject}\nNew file: {each.path}" for change, each in self._like(past)]
        asked = "\n\n".join([*known, f"Task: {self._task}\nWhich new file?"])
        opening = f"New file: {parent}"
        question = Question(text=asked, opening=opening, stop=("\n",), max_tokens=24)
        reply = ask(self._work, question, temperature=0.0, seed=self._work.candidate.seed, begins=self._begins)
        name = PurePosixPath(reply.text.removeprefix(opening).strip().strip("`")).name
        return str(place.with_name(name)) if name and PurePosixPath(name).suffix == place.suffix else ""

    def _like(self, past: PastFile) -> list[tuple[PastChange, PastFile]]:
        """New files of all changes in the same directory, the oldest first."""
        place = PurePosixPath(past.path)
        found = [(change, each) for change in self._changes for each in change.files if each.before is None]
        return [(change, each) for change, each in found if PurePosixPath(each.path).parent == place.parent]

    def _ask(self, past: PastFile, path: str, old: str) -> Reply:
        """The question for one file: what each change made of it, and how the answer begins."""
        fence = "````" if "```" in old + past.after else "```"
        task = self._task
        opening = f"After the task `{task}`:\n{fence}\n"
        if past.before is None:
            made = [
                f"The file {each.path}, made for the task `{change.subject}`:\n{fence}\n{each.after}{fence}"
                for change, each in self._like(past)
            ]
            shown = "\n\n".join(made)
            wanted = f"The next task is `{task}`. Write its file {path} in the same way."
        else:
            shown = self._history(past, old, fence)
            new = f"; its new file is {', '.join(self.new_paths)}" if self.new_paths else ""
            wanted = f"The next task is `{task}`{new}. Write {path} as it is after this task."
        question = Question(
            text=f"{shown}\n\n{wanted}",
            opening=opening,
            stop=(fence,),
            max_tokens=len(old or past.after) // CHARACTERS_A_TOKEN + _SPARE,
        )
        candidate = self._work.candidate
        temperature = 0.0 if candidate.number == 1 else 0.7
        reply = ask(self._work, question, temperature=temperature, seed=candidate.seed, begins=self._begins)
        if not self._begins:
            return reply
        return replace(reply, text=f"{fence}\n{reply.text.removeprefix(opening).rstrip()}\n{fence}")

    def _history(self, past: PastFile, old: str, fence: str) -> str:
        """A file as the changes left it, one after the other, and as it is now."""
        steps = [
            (change.subject, each)
            for change in self._changes
            for each in change.files
            if each.path == past.path and each.before is not None
        ]
        if sum(len(each.after) for _, each in steps) > _MOST_SHOWN:
            steps = steps[-1:]
        texts = [f"The file {past.path}, change by change. At first:\n{fence}\n{steps[0][1].before}{fence}"]
        texts += [f"After the task `{subject}`:\n{fence}\n{each.after}{fence}" for subject, each in steps]
        texts += [f"It is now:\n{fence}\n{old}{fence}"] if old != past.after else []
        return "\n\n".join(texts)


def _in_order(old: str, new: str) -> str:
    """The new text of a file; in JSON a list that was sorted stays sorted, which small models don't see to."""
    try:
        before, after = json.loads(old), json.loads(new)
    except ValueError:
        return new
    is_list = isinstance(before, list) and isinstance(after, list)
    if not is_list or not all(isinstance(each, str) for each in (*before, *after)) or before != sorted(before):
        return new
    indent = re.match(r"\[\n( +)", old)
    text = json.dumps(sorted(after), indent=len(indent[1]) if indent else None, ensure_ascii=False)
    return text + "\n" * old.endswith("\n")


def _text_of(workspace: Workspace, commit: str, path: str) -> str:
    return workspace.run(f"git show {shlex.quote(f'{commit}:{path}')}").output
