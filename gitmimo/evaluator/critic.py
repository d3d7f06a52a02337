"""The critic: reads diffs and says which it would merge. Opinion, never evidence."""

from collections.abc import Mapping

from gitmimo.llm.model import Model
from gitmimo.records import CriticOpinion, Evidence


def ask_critic(
    model: Model, *, task: str, rules: str, diffs: Mapping[int, str], evidence: Mapping[int, Evidence]
) -> CriticOpinion:
    """Not asked yet."""
    return CriticOpinion(failed="the critic is not built yet", model=model.name)
