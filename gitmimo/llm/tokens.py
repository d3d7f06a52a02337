"""How many tokens a text may have: a likely number, and one that no tokenizer exceeds."""

import json
from collections.abc import Iterable, Sequence

from gitmimo.records import Message, Tool

_PER_MESSAGE = 16  # role marks and separators of the chat template
_PER_REQUEST = 64
_PER_TOOL_BLOCK = 512  # what providers write around tool definitions


def likely_tokens(text: str) -> int:
    """A usual number for code and prose."""
    return (len(text.encode("utf-8", "replace")) + 3) // 4


def likely_prompt(messages: Iterable[Message], tools: Sequence[Tool] = ()) -> int:
    """A usual number for a whole prompt."""
    return _message_bytes(messages, per_message=4 * 6) // 4 + _tool_bytes(tools) // 4 + 8


def most_tokens(messages: Iterable[Message], tools: Sequence[Tool] = ()) -> int:
    """No fewer than any tokenizer makes: one a byte, and the template around them."""
    around = _PER_REQUEST + (_PER_TOOL_BLOCK if tools else 0)
    return _message_bytes(messages, per_message=_PER_MESSAGE) + _tool_bytes(tools) + around


def _message_bytes(messages: Iterable[Message], *, per_message: int) -> int:
    total = 0
    for message in messages:
        total += per_message + len(message.content.encode("utf-8", "replace"))
        total += sum(per_message + len(call.name) + len(call.arguments.encode()) for call in message.tool_calls)
    return total


def _tool_bytes(tools: Sequence[Tool]) -> int:
    return sum(len(tool.name) + len(tool.description) + len(json.dumps(dict(tool.parameters))) + 32 for tool in tools)
