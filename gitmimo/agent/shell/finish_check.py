"""Checks before FINISH is accepted: a change exists, tests pass, and all parts of the task are addressed."""

import re
from collections.abc import Callable, Sequence

from gitmimo.agent.interface import CandidateInput, Workspace, changed_paths
from gitmimo.agent.shell.execute import failed_ids, mark_of
from gitmimo.agent.shell.stuck_detector import fingerprint
from gitmimo.files import is_test_path
from gitmimo.records import Action, ActionKind, CommandResult, Observation, Step
from gitmimo.text import one_line

_MOST_RERUN = 20  # failed tests; more than that is no accident
_MOST_PARTS = 3
_QUESTION = "before this is accepted, one question"
_PART = re.compile(r"\n\s*\n|\n(?=\s*(?:[-*+]|\d+[.)])\s)|(?<=[.;:!?])\s+(?=[A-Z`])")
_NAME = re.compile(r"`([^`\n]{2,60})`|\b(\w+(?:\.\w+)*)\(\)|\b([A-Za-z]\w*_\w+)\b")
_TEST = re.compile(r"[\w./-]*\btest[\w./-]*(?:::[\w.\[\]-]+)*")  # a test that a task names need not change
_DOCUMENT = re.compile(r"\.(?:md|rst|txt|adoc)$|^(?:LICENSE|CHANGELOG|AUTHORS)|(?:^|/)docs?/", re.IGNORECASE)


class FinishCheck:
    """Answers FINISH with objections. Its state follows from the steps alone.

    Each objection is made once: a second FINISH without a change, or with the same failing tests, is accepted.
    """

    def __init__(
        self,
        candidate: CandidateInput,
        workspace: Workspace,
        *,
        show: Callable[[CommandResult, str], tuple[str, bool]],
        asks: bool,
    ) -> None:
        """`show` formats a result under a mark; `asks` says whether the model is asked about what is missing."""
        self._task = candidate.task
        self._unchanged = candidate.unchanged
        self._workspace = workspace
        self._show = show
        self._asks = asks and bool(candidate.task.test_command)
        self._made: set[str] = set()
        self._stands = False  # the last objection: nothing was changed since
        self._is_tested = False  # as the files are now

    def remember(self, step: Step) -> None:
        """Take in a kept step."""
        self._add(step.actions, step.observations)
        for action, observation in zip(step.actions, step.observations, strict=True):
            if action.kind is ActionKind.FINISH and observation.exit_code is not None:
                self._stands = True
                self._made.add(fingerprint(observation.text))
                self._asks = self._asks and not observation.text.startswith(_QUESTION)

    def objection(
        self, actions: Sequence[Action], observations: Sequence[Observation], *, step: int
    ) -> Observation | None:
        """The objection to the FINISH of a reply that is not stored yet; None when it is accepted."""
        self._add(actions, observations)
        if self._stands:
            return None
        changes = self._workspace.changes()
        if changes == self._unchanged:  # a command that should have changed something may have found nothing
            text = "no file differs from the start. Make the change, or finish again if none is needed"
            return self._new(Observation(text=f"not accepted yet: {text}", exit_code=1))
        position = next(i for i, action in enumerate(actions, start=1) if action.kind is ActionKind.FINISH)
        is_due = self._task.test_command and not self._is_tested and not self._workspace.is_accepted()
        failing = self._test(mark_of(step, position, len(actions))) if is_due else None
        if failing is not None:
            return self._new(failing)
        question = self._question(changed_paths(changes or "")) if self._asks else ""
        return self._new(Observation(text=question, exit_code=1)) if question else None

    def _add(self, actions: Sequence[Action], observations: Sequence[Observation]) -> None:
        for action, observation in zip(actions, observations, strict=True):
            if observation.changed:
                self._stands = self._is_tested = False
            elif action.kind is ActionKind.SHELL and action.text.strip() == self._task.test_command:
                self._is_tested = observation.exit_code == 0

    def _new(self, objection: Observation) -> Observation | None:
        return None if fingerprint(objection.text) in self._made else objection

    def _test(self, mark: str) -> Observation | None:
        """Run the tests, the failed ones once more; None when all passed in one of the runs, or there are none."""
        result = self._workspace.test()
        if result is None or not _is_bad(result):
            return None
        failed = failed_ids(result.output)
        remarks: list[str] = []
        is_rerun = 0 < len(failed) <= _MOST_RERUN and not result.timed_out
        if is_rerun and (again := self._workspace.test(failed)) is not None:
            if not _is_bad(again):
                return None
            still = failed_ids(again.output) or failed
            passed = [name for name in failed if name not in still]
            remarks += [f"Run again alone, these pass: {', '.join(passed)}."] if passed else []
            failed = still
        base = self._workspace.base_suite()
        if base is not None and base.exit_code and not failed:
            remarks.append(f"On the base they end with exit code {base.exit_code} too.")
        if base is not None and failed:
            before = [name for name in failed if name in (*base.failed, *base.flaky)]
            new = len(failed) - len(before)
            remarks += [f"These fail on the base too: {', '.join(before)}."] if before else []
            remarks += [f"{new} of them passed on the base."] if new else []
        text, was_cut = self._show(result, mark)
        text = "\n".join(
            [
                f"not accepted yet: the tests fail. {text}",
                *remarks,
                "Fix what you broke, then finish again. If these tests failed before your change too, or contradict "
                "the task, finish or give up and say so.",
            ]
        )
        return Observation(text=text, exit_code=result.exit_code or 1, seconds=result.seconds, truncated=was_cut)

    def _question(self, paths: Sequence[str]) -> str:
        """What the change seems to leave out, a test or a part of the task; empty for nothing."""
        if all(_DOCUMENT.search(path) for path in paths):
            return ""
        doubts = [f"nothing in it mentions what the task says here: {part}" for part in self._untouched()]
        suite = self._workspace.base_suite()
        is_green = suite is not None and not suite.failed and not suite.exit_code
        if is_green and not any(is_test_path(path) for path in paths):
            doubts.append("no test came with it that fails without it")
        if not doubts:
            return ""
        listed = "\n".join(f"- {doubt}" for doubt in doubts)
        return (
            f"{_QUESTION}. The tests pass. By the look of your change:\n{listed}\nAdd what is missing, or finish again."
        )

    def _untouched(self) -> list[str]:
        """Parts of the task that name code of the project which the change nowhere mentions."""
        diff = self._workspace.diff()
        found: dict[frozenset[str], str] = {}  # a title often names what a later part says more of
        for part in _PART.split(self._task.text):
            names = {next(filter(None, match)).strip("()") for match in _NAME.findall(_TEST.sub(" ", part))}
            words = {re.split(r"[./]", name)[-1] for name in names}
            words = {word for word in words if re.fullmatch(r"[A-Za-z_]\w{2,}", word)}
            is_mentioned = any(re.search(rf"\b{re.escape(word)}\b", diff) for word in words)
            search = "git grep -qwF -e {} -- ':!*.md' ':!*.rst' ':!*.txt'"
            hits = (self._workspace.run(search.format(word), timeout_s=20) for word in sorted(words))
            if not is_mentioned and any(hit.exit_code == 0 for hit in hits):
                found[frozenset(words)] = f"“{one_line(part, 160)}”"
        return list(found.values())[:_MOST_PARTS]


def _is_bad(result: CommandResult) -> bool:
    return bool(result.exit_code) or result.timed_out
