"""What actions are and may do: which only look, which change files, and how a reply's actions are read."""

import re

from gitmimo.agent.shell.text_protocol import NO_ACTION, parse_text
from gitmimo.agent.shell.tools import calls_in_text, parse_calls
from gitmimo.records import Action, ActionKind, Reply

MOST_CALLS = 16  # more than this in one reply is a flood: none is run

_LOOKING = {
    "cat", "ls", "grep", "egrep", "fgrep", "rg", "head", "tail", "wc", "pwd", "echo", "printf", "true", "which", "type",
    "file", "stat", "du", "df", "tree", "sort", "uniq", "cut", "nl", "diff", "cmp", "basename", "dirname", "realpath",
    "readlink", "date", "env", "printenv", "id", "uname", "test", "[", "cd", "tr", "jq", "column", "less", "more",
}  # fmt: skip
_LOOKING_GIT = {
    "status", "diff", "log", "show", "blame", "grep", "ls-files", "ls-tree", "rev-parse", "describe", "shortlog",
    "cat-file", "rev-list", "merge-base", "branch",
}  # fmt: skip
_HARMLESS_REDIRECT = re.compile(r"\d?>\s*(?:/dev/null|&\d)|&>\s*/dev/null|2>&1")
_CHANGING = re.compile(
    r"(?<![<>=&\d-])>{1,2}(?![&=(])|\bsed\s+(?:-\w+\s+)*-\w*i|\bperl\s+-\w*i|\btee\b|\bpatch\b"
    r"|\bgit\s+(?:apply|checkout|restore|stash|reset|mv|rm|clean|revert|cherry-pick|am)\b"
    r"|\b(?:mv|cp|rm|mkdir|touch|ln|chmod|unzip|tar|install|rsync|dd|truncate)\b"
    r"|\b(?:pip3?|npm|pnpm|yarn|cargo|go|uv|poetry)\s+(?:install|add|remove|get|mod|update|upgrade|uninstall|sync)\b"
    r"|--fix\b|\bpython[\d.]*\s+(?:-\s|-c\b|<<)|\bwrite\(|\bwrite_text\b|\bblack\b|\bprettier\b|\bgofmt\s+-w"
    r"|\bruff format\b"
)


def read_actions(reply: Reply, *, protocol: str) -> tuple[Action, ...]:
    """The actions of a reply, at least one: INVALID with the reason when it holds none.

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
            "the reply calls no tool. Call `finish` when the task is done, `give_up` when it can't be done, or go on"
        )
    else:
        reason = NO_ACTION
    return (Action(kind=ActionKind.INVALID, text=reason),)


def holds_action(actions: tuple[Action, ...]) -> bool:
    """Whether there is anything to do among them."""
    return any(action.kind is not ActionKind.INVALID for action in actions)


def only_looks(action: Action) -> bool:
    """Whether an action surely changes nothing, so that it may run after another one failed."""
    if action.kind is ActionKind.SHELL:
        return _only_looks_command(action.text)
    return action.kind in (ActionKind.SHOW, ActionKind.NOTE, ActionKind.PLAN, ActionKind.GIVE_UP, ActionKind.INVALID)


def may_change_files(action: Action) -> bool:
    """Whether an action looks as if it changes files. Running a program is not counted, though it could."""
    if action.kind is ActionKind.SHELL:
        return bool(_CHANGING.search(_HARMLESS_REDIRECT.sub("", action.text)))
    return action.kind in (ActionKind.EDIT, ActionKind.WRITE)


def runs_command(command: str, wanted: str) -> bool:
    """Whether a shell command runs the wanted one, alone or with something before and after it."""
    squeezed = " ".join(wanted.split())
    return bool(squeezed) and squeezed in " ".join(command.split())


def _only_looks_command(command: str) -> bool:
    command = _HARMLESS_REDIRECT.sub("", command)
    if re.search(r"[`>]|\$\(|<\(", command):
        return False
    return all(_looks(part) for part in re.split(r"\|\||&&|[|;&\n]", command) if part.strip())


def _looks(part: str) -> bool:
    words = part.split()
    name = words[0].rsplit("/", 1)[-1]
    if name == "git":
        rest = [word for word in words[1:] if not word.startswith("-")]
        return bool(rest) and rest[0] in _LOOKING_GIT and "-D" not in words and "-d" not in words
    if name == "sed":
        return "-n" in words and not any(word.startswith(("-i", "--in-place")) for word in words)
    if name == "find":
        return not any(word.startswith(("-exec", "-delete", "-ok", "-fprint", "-fls")) for word in words)
    if name in ("sort", "env"):
        return "-o" not in words and (name != "env" or len(words) == 1)
    return name in _LOOKING
