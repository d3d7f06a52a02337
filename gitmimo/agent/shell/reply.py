"""A model's reply as actions, whichever protocol it answered in."""

from collections.abc import Sequence
from dataclasses import replace

from gitmimo.agent.shell.text_protocol import NO_ACTION, parse_text
from gitmimo.agent.shell.tools import calls_in_text, parse_calls
from gitmimo.records import Action, ActionKind, Reply, ToolCall


def with_call_ids(reply: Reply, step: int) -> Reply:
    """The reply with an id for each call, all different: some servers send none, or the same one again."""
    seen: set[str] = set()
    calls: list[ToolCall] = []
    for index, call in enumerate(reply.tool_calls):
        own = call.id if call.id and call.id not in seen else f"call_{step}_{index}"
        seen.add(own)
        calls.append(replace(call, id=own))
    return replace(reply, tool_calls=tuple(calls))


def read_actions(reply: Reply, *, protocol: str) -> tuple[Action, ...]:
    """The actions of a reply, at least one: INVALID with the reason when it has none.

    With the tools protocol, calls that were written as text are understood too, and so is the text protocol: models
    fall back into it. A reply cut at the output limit never runs what is incomplete.
    """
    cut = reply.finish_reason == "length"
    if protocol == "tools" or reply.tool_calls:
        calls = reply.tool_calls or calls_in_text(reply.text)
        if calls:
            return parse_calls(calls, cut=cut)
    actions = parse_text(reply.text, cut=cut)
    if protocol == "tools" and all(action.kind is ActionKind.INVALID for action in actions):
        actions = ()
    if actions:
        return actions
    if cut:
        reason = "the reply reached the output limit before it came to an action; be brief and act"
    elif not reply.text.strip():
        reason = "the reply is empty"
    elif protocol == "tools":
        reason = (
            "the reply calls no tool. Go on, or call `finish` when the task is done, `give_up` when it can't be done"
        )
    else:
        reason = NO_ACTION
    return (Action(kind=ActionKind.INVALID, text=reason),)


def has_action(actions: Sequence[Action]) -> bool:
    """Whether there is anything to do among them."""
    return any(action.kind is not ActionKind.INVALID for action in actions)
