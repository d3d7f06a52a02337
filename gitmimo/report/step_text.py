"""Steps as text: actions, their targets and results. Shared by the page and the terminal."""

from collections.abc import Mapping

from gitmimo.records import Action, ActionKind, Observation, Step
from gitmimo.text import cut_middle, seconds, tokens, usd

OBSERVATION_CHARACTERS = 3_000
PAGE_CHARACTERS = 3_000_000  # of all steps together
_QUIET = (ActionKind.NOTE, ActionKind.PLAN)


def kinds_of(step: Step) -> str:
    """Name a step's actions."""
    return ", ".join(action.kind.value.replace("_", " ") for action in step.actions) or "no action"


def about(step: Step) -> str:
    """The target of a step's first action with an effect, on one line."""
    action = next((a for a in step.actions if a.kind not in _QUIET), step.actions[0] if step.actions else None)
    return " ".join((action.path or action.text).split())[:120] if action else ""


def used(step: Step) -> str:
    """The usage of a step: tokens, money, time."""
    taken = step.reply.seconds + sum(observation.seconds for observation in step.observations)
    cost = f", {usd(step.reply.cost_usd)}" if step.reply.cost_usd else ""
    return f"{tokens(step.reply.usage.total)} tokens{cost}, {seconds(taken)}"


def head_of(action: Action, observation: Observation) -> str:
    """The line above one action: its kind, and the exit code where there is one."""
    code = f" (exit {observation.exit_code})" if observation.exit_code is not None else ""
    return f"{action.kind.value.replace('_', ' ')}{code}"


class StepTexts:
    """Steps as values for a template; all of them share one budget of characters."""

    def __init__(self, budget: int = PAGE_CHARACTERS) -> None:
        self._left = budget

    def view(self, step: Step) -> Mapping[str, object]:
        """One step."""
        parts = [
            {
                "head": head_of(action, observation),
                "failed": observation.exit_code not in (None, 0),
                "texts": [self._cut(piece) for piece in (action.path, action.old, action.text) if piece.strip()],
                "output": self._cut(observation.text) if observation.text.strip() else "",
            }
            for action, observation in zip(step.actions, step.observations, strict=False)
        ]
        return {
            "number": step.number,
            "kinds": kinds_of(step),
            "about": about(step),
            "used": used(step),
            "said": self._cut(step.reply.text) if step.reply.text.strip() else "",
            "parts": parts,
            "changed": step.changed_paths[:50],
            "commit": (step.commit or "")[:12],
        }

    def _cut(self, text: str) -> str:
        room = min(OBSERVATION_CHARACTERS, max(self._left, 0))
        self._left -= min(len(text), room)
        return cut_middle(text, room) if room else f"[{len(text):,} characters left out]"
