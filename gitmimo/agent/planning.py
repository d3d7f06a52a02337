"""One planning call that gives candidates which start together different approaches."""

import re

from gitmimo.agent.prompts import read_prompt
from gitmimo.errors import LimitReached, ModelError
from gitmimo.llm.model import ChatRequest, Model
from gitmimo.records import Message, Task
from gitmimo.text import cut_middle

_NUMBER = re.compile(r"^[\s*_#>-]*(?:(?:engineer|approach|plan|way)\s*)?#?\d{1,2}\s*[.):\]-][*_]*", re.I | re.M)
_BULLET = re.compile(r"^\s*[-*•]\s+", re.M)
_LONGEST = 800


def ask_for_approaches(count: int, task: Task, model: Model, project: str) -> tuple[str, ...]:
    """Up to `count` approaches, all different; none where the model fails or its reply has no list of them.

    `project` is what the planner sees of it.
    """
    text = f"# Task for {count} engineers\n\n{cut_middle(task.text, 12_000)}\n\n# The project\n\n{project}"
    messages = (Message(role="system", content=read_prompt("plan")), Message(role="user", content=text))
    try:
        reply = model.complete(ChatRequest(messages=messages, temperature=0.8, seed=0))
    except (ModelError, LimitReached):
        return ()
    return parse_approaches(reply.text, count)


def parse_approaches(reply: str, count: int) -> tuple[str, ...]:
    """Read a numbered or bulleted list; empty when the reply has no usable list of at least two entries."""
    for mark in (_NUMBER, _BULLET):
        texts = (" ".join(text.replace("**", "").split()) for text in mark.split(reply)[1:])
        kept = dict.fromkeys(
            cut_middle(text, _LONGEST) for text in texts if len(text) >= 15 and (" " in text or not text.isascii())
        )
        if len(kept) >= 2:
            return tuple(kept)[:count]
    return ()
