"""Names and descriptions of skills by a model, which sees tasks and paths but no command output."""

import json
import re

from gitmimo.errors import LimitReached, ModelError, SkillRefused
from gitmimo.llm.model import ChatRequest, Model
from gitmimo.memory.footprints import Group
from gitmimo.memory.skill_file import check_name, strip_markup
from gitmimo.records import Message
from gitmimo.text import hidden_characters, words_of

_ASK = """Name a chore that was done several times in a project, so that others find it. Answer with one JSON object and
nothing else: {"name": "two to five lower-case words joined by hyphens", "description": "one sentence that says what
it does, then one that begins with 'Use when' and says for which tasks"}. Do not give any instruction."""


def name_group(model: Model, group: Group) -> tuple[str, str] | None:
    """Return a name and a description, or None when the model fails, is over budget, or answers out of line."""
    asked = "\n".join(f"- {strip_markup(change.subject, limit=200)}" for change in group.changes[:5])
    touched = "\n".join(f"- {feature}" for feature in group.shared[:20])
    messages = (
        Message(role="system", content=_ASK),
        Message(role="user", content=f"What was asked:\n{asked}\n\nWhat it touched:\n{touched}"),
    )
    try:
        reply = model.complete(ChatRequest(messages=messages, temperature=0.0))
    except (ModelError, LimitReached):
        return None
    match = re.search(r"\{.*\}", reply.text, re.DOTALL)
    try:
        answer = json.loads(match.group()) if match else {}
        name, description = check_name(str(answer["name"])), strip_markup(str(answer["description"]), limit=500)
    except (ValueError, KeyError, TypeError, SkillRefused):
        return None
    is_about_it = set(words_of(description)) & set(words_of(asked + touched))
    return (name, description) if len(description) > 20 and is_about_it and not hidden_characters(description) else None
