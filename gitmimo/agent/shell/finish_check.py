"""Checks before FINISH is accepted: a change exists, tests pass, and a change of code has a test."""

import re
from collections.abc import Callable, Sequence

from gitmimo.agent.interface import CandidateInput, Workspace, changed_paths
from gitmimo.agent.shell.execute import failed_ids, mark_of
from gitmimo.agent.shell.stuck_detector import fingerprint
from gitmimo.files import is_test_path
from gitmimo.records import Action, ActionKind, CommandResult, Observation, Step

_QUESTION = (
    "before this is accepted, one question. The tests pass. By the look of your change:\n- no test came with it that "
    "fails without it\nAdd what is missing, or finish again."
)
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
        """`show` formats a result under a mark; `asks` says whether the model is asked about a missing test."""
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
        if self._asks and self._lacks_test(changed_paths(changes or "")):
            return self._new(Observation(text=_QUESTION, exit_code=1))
        return None

    def _add(self, actions: Sequence[Action], observations: Sequence[Observation]) -> None:
        for action, observation in zip(actions, observations, strict=True):
            if observation.changed:
                self._stands = self._is_tested = False
            elif action.kind is ActionKind.SHELL and action.text.strip() == self._task.test_command:
                self._is_tested = observation.exit_code == 0

    def _new(self, objection: Observation) -> Observation | None:
        return None if fingerprint(objection.text) in self._made else objection

    def _test(self, mark: str) -> Observation | None:
        """Run the tests; None when they pass, or there are none."""
        result = self._workspace.test()
        if result is None or not (result.exit_code or result.timed_out):
            return None
        failed = failed_ids(result.output)
        remarks: list[str] = []
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

    def _lacks_test(self, paths: Sequence[str]) -> bool:
        """Whether code changed and no test, where every test of the base passes."""
        suite = self._workspace.base_suite()
        is_green = suite is not None and not suite.failed and not suite.exit_code
        is_code = any(not _DOCUMENT.search(path) for path in paths)
        return is_green and is_code and not any(is_test_path(path) for path in paths)
