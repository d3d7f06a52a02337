"""A better name and description for a skill, from a model that sees the task and the steps and nothing that tools said.

The answer counts only when it keeps every rule; any failure leaves what the rules made.
"""

import json
import re

from gitmimo.errors import LimitReached, ModelError, SkillRefused
from gitmimo.llm.model import Model
from gitmimo.memory.generalise import General
from gitmimo.memory.skill_file import check_name, harmless
from gitmimo.records import Message
from gitmimo.text import hidden_characters

_ASK = """Name a procedure that other programmers will look up. Answer with one JSON object and nothing else:
{"name": "two to five lower-case words joined by hyphens", "description": "one sentence that says what it does, then \
one that begins with 'Use when' and says for which tasks"}
Names of parameters are in capitals. Do not give any other instruction."""


def polish_skill(model: Model, general: General) -> tuple[str, str] | None:
    """Return a name and a description, or None when the model fails, is over budget, or answers out of line."""
    task = re.sub(r"\{\{mimo:([a-z0-9_]+)[^}]*\}\}", lambda match: match[1].upper(), general.task)
    steps = "\n".join(f"- {step.summary}" for step in general.steps[:30])
    messages = [
        Message(role="system", content=_ASK),
        Message(role="user", content=f"Task: {harmless(task, limit=1_000)}\n\nSteps:\n{steps[:3_000]}"),
    ]
    try:
        reply = model.complete(messages, temperature=0.0, max_tokens=300)
    except (ModelError, LimitReached):
        return None
    match = re.search(r"\{.*\}", reply.text, re.S)
    try:
        answer = json.loads(match.group()) if match else {}
        name, description = check_name(str(answer["name"])), harmless(str(answer["description"]), limit=500)
    except (ValueError, KeyError, TypeError, SkillRefused):
        return None
    shared = set(re.findall(r"[a-z]{4,}", description.lower())) & set(re.findall(r"[a-z]{4,}", task.lower()))
    return (name, description) if len(description) > 20 and shared and not hidden_characters(description) else None
