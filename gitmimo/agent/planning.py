"""Different approaches for the candidates of a session, from one planning call or from a built-in set."""

import re

from gitmimo.agent.prompts import read_prompt
from gitmimo.errors import LimitReached, ModelError
from gitmimo.llm.model import ChatRequest, Model
from gitmimo.records import Message, Task
from gitmimo.text import cut_middle

_NUMBER = re.compile(r"^[\s*_#>-]*(?:(?:engineer|approach|plan|way)\s*)?#?\d{1,2}\s*[.):\]-][*_]*", re.I | re.M)
_BULLET = re.compile(r"^\s*[-*•]\s+", re.M)
_LONGEST = 800
_LADDER = (0.2, 0.8, 0.8, 1.0, 0.6, 0.9, 0.7, 1.0)


def built_in_approaches() -> tuple[str, ...]:
    """The approaches where no model plans; the first is the plain one, which a prompt has no need to say."""
    return tuple(read_prompt("approaches").split("\n\n"))


def approaches_for(
    count: int, strategy: str, *, task: Task | None = None, model: Model | None = None, project: str = ""
) -> tuple[str, ...]:
    """As many approaches as there are candidates, all different up to eight. `project` is the planner's view.

    With a task and a model that can plan, one call asks for them; where it fails, or answers too little, the built-in
    ones fill the places. Small and local models and the patch strategy get the built-in ones without a call.
    """
    planned: tuple[str, ...] = ()
    if task is not None and model is not None and count > 1 and strategy != "patch" and not model.info.is_small:
        planned = _ask(count, task, model, project)
    filled = [*planned, *(text for text in built_in_approaches() if text not in planned)]
    return tuple(filled[index % len(filled)] for index in range(count))


def temperature_for(number: int) -> float:
    """The sampling temperature of a candidate: careful first, then wider."""
    return _LADDER[0] if number <= 1 else _LADDER[1 + (number - 2) % (len(_LADDER) - 1)]


def parse_approaches(reply: str, count: int) -> tuple[str, ...]:
    """Read a numbered or bulleted list; empty when the reply has no usable list of at least two entries."""
    for mark in (_NUMBER, _BULLET):
        texts = (" ".join(text.replace("**", "").split()) for text in mark.split(reply)[1:])
        kept = dict.fromkeys(
            text if len(text) <= _LONGEST else f"{text[:_LONGEST].rsplit(' ', 1)[0]} …"
            for text in texts
            if len(text) >= 15 and (len(text.split()) >= 3 or not text.isascii())
        )
        if len(kept) >= min(2, count):
            return tuple(kept)[:count]
    return ()


def _ask(count: int, task: Task, model: Model, project: str) -> tuple[str, ...]:
    parts = [f"# Task for {count} engineers\n\n{cut_middle(task.text, 12_000)}"]
    parts += [f"# The project\n\n{project}"] if project else []
    messages = (
        Message(role="system", content=read_prompt("plan")),
        Message(role="user", content="\n\n".join(parts)),
    )
    try:
        reply = model.complete(ChatRequest(messages=messages, temperature=0.8, seed=0))
    except (ModelError, LimitReached):
        return ()
    return parse_approaches(reply.text, count)
