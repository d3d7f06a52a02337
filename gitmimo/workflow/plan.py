"""What a session is to do, resolved and checked before it starts, and the settings kept for a resume. Plain data."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from gitmimo.agent.interface import Feedback
from gitmimo.config import OPTIONS, Config, Setting
from gitmimo.records import Oid, Task
from gitmimo.workflow.history import Past
from gitmimo.workflow.workspace import WorkspaceConfig

# what a person may have changed so that the session can go on; kept only when given as a flag
_READ_ANEW = ("budget", "maxtokens", "rate.", "baseurl", "llm", "timeout", "notify", "sandbox")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything a session needs to know before it starts."""

    task: Task
    base: Oid
    target_branch: str | None
    workspace_config: WorkspaceConfig
    prefix: str  # rules and memory: the stable beginning of every candidate's prompt
    candidates: int
    fan_out_at_once: bool
    strategy: str
    protocol: str
    max_steps: int
    branch_prefix: str = "mimo"
    worktree_root: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)  # the configuration, to resume with
    rungs: int = 1  # of the ladder of models: how many rounds it takes to come to the strongest
    plans_approaches: bool = True  # other agents alone get the built-in ones: no model need be there to be asked
    trust_tests: bool = False  # a product that passes the gates needs nothing else to be merged
    past: Past | None = None  # what was reached before, when the session is resumed


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """What one candidate gets besides the task: its approach, and the feedback on work that was judged."""

    approach: str
    feedback: tuple[Feedback, ...] = ()
    goes_on: bool = False  # after the steps that are on its branch


def next_round(
    candidates: int, done: Collection[int], *, rungs: int = 1, at_once: bool = False, one_at_a_time: bool = False
) -> tuple[int, ...]:
    """The candidates that start together after those that are `done`; none when there are no more.

    One on each rung of the ladder of models, then all that are left. `one_at_a_time`: where they would only wait for
    each other, and where a product has passed, whose verdict a second one may settle.
    """
    left = tuple(number for number in range(1, candidates + 1) if number not in done)
    if at_once or not left:
        return left
    return left[:1] if one_at_a_time or left[0] <= max(1, rungs - 1) else left


def settings_to_keep(config: Config) -> dict[str, Any]:
    """The values that a resumed session must have again."""
    return {
        name: setting.value
        for name, setting in config.settings.items()
        if setting.origin == "flag" or not name.startswith(_READ_ANEW)
    }


def restore(current: Config, kept: Mapping[str, Any]) -> Config:
    """The configuration of now with a session's own values; flags given now win."""
    settings = dict(current.settings)
    for name, value in kept.items():
        option = OPTIONS.get(name)
        if option is None or settings[name].origin == "flag":
            continue
        settings[name] = Setting(
            option=option, value=tuple(value) if isinstance(value, list) else value, origin="session"
        )
    return Config(settings, current.prices, current.windows)
