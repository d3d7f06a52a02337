"""The text protocol: actions read from plain text, because small models write code better outside JSON."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from gitmimo.records import Action, ActionKind

_SHELL = {"bash", "sh", "shell", "zsh"}
_DIFFS = {"diff", "patch", "udiff"}
_ENDS = (ActionKind.FINISH, ActionKind.GIVE_UP)
_HEADER = re.compile(r"^[\s>#*_`-]*(?:\d+[.)]\s*)?[*_`]*FILE[*_`]*\s*:[*_]*\s*(?P<path>.*?)\s*$", re.IGNORECASE)
_FENCE = re.compile(r"^(?P<indent>[ \t]{0,12})(?P<fence>`{3,}|~{3,})[ \t]*(?P<info>[^`]*?)[ \t]*\r?$")
_KEYWORD = re.compile(
    r"^[\s>#*_-]*(?P<word>FINISH(?:ED)?|GIVE[ _]UP|NOTE|PLAN|SHOW)\b[*_]*\s*(?P<colon>:?)[*_]*[ \t]*(?P<rest>.*)$"
)
_KINDS = {"FINISH": ActionKind.FINISH, "FINISHED": ActionKind.FINISH, "NOTE": ActionKind.NOTE, "PLAN": ActionKind.PLAN}
_SHOWN = re.compile(r"(?:step\s*)?#?(\d+(?:\.\d+)?)(?:\s+(\d+)(?:-(\d+))?)?\W*$", re.IGNORECASE)
_SEARCH = re.compile(r"^<{5,9}\s*(?:SEARCH|ORIGINAL|OLD)?\s*$", re.IGNORECASE)
_DIVIDE = re.compile(r"^={5,9}\s*$")
_REPLACE = re.compile(r"^>{5,9}\s*(?:REPLACE|UPDATED|NEW)?\s*$", re.IGNORECASE)
_THOUGHT = re.compile(r"\A\s*<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL)
_OPEN_THOUGHT = re.compile(r"\A\s*<think(?:ing)?>(?!.*</think(?:ing)?>).*\Z", re.DOTALL)

NO_ACTION = (
    "the reply holds no action. Use a fenced block with the language bash for a command; a line FILE: with the path, "
    "then a fenced block, for a file; or a line that starts with FINISH: or GIVE UP:"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    """One fenced block. `closed` is false when the reply ended, or another block began, before the closing fence."""

    language: str
    lines: tuple[str, ...]
    closed: bool
    path: str = ""  # of the `FILE:` header before it

    @property
    def content(self) -> str:
        """The lines with their line ends."""
        return _join(self.lines)


def without_thinking(reply: str) -> str:
    """A reply without the thinking that a model put before it between marks, closed or cut off."""
    return _OPEN_THOUGHT.sub("", _THOUGHT.sub("", reply, count=1))


def clean_path(text: str) -> str:
    """Take off what models wrap a path in: quotes, stars, `./`."""
    path = text.strip().strip("`*\"'<>").strip()
    while path.startswith("./"):
        path = path[2:].lstrip("/")
    return path


def parse_text(reply: str, *, single_file: str | None = None, cut: bool = False) -> tuple[Action, ...]:
    """Read the actions of a reply, in order; empty when it has none and nothing that was meant as one.

    `single_file` is the path a bare code block belongs to when just one file is in play. `cut` says that the reply
    ended at the output limit: what its last block would do is then INVALID, never carried out. What looks like an
    action and can't be read becomes INVALID with the reason; the reason contains no block that could be repeated.
    """
    parts = _split(_THOUGHT.sub("", reply, count=1))
    actions: list[Action] = []
    bare: list[_Block] = []
    doubts: list[Action] = []  # headers that no block follows: a mistake only when there is nothing else to do
    at = 0
    while at < len(parts):
        part = parts[at]
        at += 1
        if isinstance(part, _Block):
            is_bare = not part.path and part.language not in _SHELL
            if cut and at == len(parts) and not part.closed:
                where = f" for `{part.path}`" if part.path else ""
                reason = f"the reply was cut at the output limit inside its last block{where}; nothing of it was done"
                actions.append(_invalid(reason))
            elif is_bare:
                bare.append(part)
            else:
                actions += _block_actions(part)
        elif (found := _KEYWORD.match(part)) and (_is_action(part) or not found["rest"].strip()):
            made, taken = _keyword_actions(found, parts[at:])
            actions += made
            at += taken
        elif (header := _HEADER.match(part)) and "FILE" in header[0] and (path := clean_path(header["path"])):
            doubts.append(_invalid(f"the header for `{path}` is not followed by a fenced block with its content"))
    if bare and not any(action.kind in (ActionKind.WRITE, ActionKind.EDIT) for action in actions):
        actions = _with_bare(actions, bare, single_file)
    return tuple(actions or doubts)


def _keyword_actions(found: re.Match[str], rest: Sequence[str | _Block]) -> tuple[list[Action], int]:
    """What a line with a keyword asks for, and how many of the parts after it belong to it.

    FINISH, GIVE UP and PLAN take the prose up to the next block or keyword, NOTE up to a blank line.
    """
    word = found["word"].replace("_", " ")
    if word == "SHOW":
        if not (shown := _SHOWN.match(found["rest"].strip())):
            return [], 0
        first = int(shown[2] or 0)
        return [Action(kind=ActionKind.SHOW, text=shown[1], first=first, last=int(shown[3] or first))], 0
    kind = _KINDS.get(word, ActionKind.GIVE_UP)
    lines = [found["rest"]]
    for part in rest:
        if isinstance(part, _Block) or _is_action(part) or (kind is ActionKind.NOTE and not part.strip()):
            break
        lines.append(part)
    text = "\n".join(lines).strip().strip("*").strip()
    is_empty = not text and kind in (ActionKind.NOTE, ActionKind.PLAN)
    return ([] if is_empty else [Action(kind=kind, text=text)]), len(lines) - 1


def _with_bare(actions: list[Action], bare: Sequence[_Block], single_file: str | None) -> list[Action]:
    """Give a code block without a path to the only file in play; ends of the reply stay behind it."""
    if single_file is None:
        without = "a code block without a path: write a line FILE: with the path before it, or use the language bash"
        return actions or [_invalid(without)]
    distinct = list({block.content: block for block in bare}.values())
    largest = max(distinct, key=lambda block: len(block.content))
    if len(distinct) > 1 and len(largest.content) < 0.6 * sum(len(block.content) for block in distinct):
        return [*actions, _invalid("several code blocks and none says which file it is: write FILE: and the path")]
    before, ends = ([a for a in actions if (a.kind in _ENDS) is is_end] for is_end in (False, True))
    return [*before, *_block_actions(replace(largest, path=single_file)), *ends]


def _is_action(line: str) -> bool:
    keyword = _KEYWORD.match(line)
    return keyword is not None and (bool(keyword["colon"]) or keyword["word"] == "SHOW")


def _block_actions(block: _Block) -> list[Action]:
    """What a block with a path, or a language of shells, asks for."""
    path = block.path
    if not path:
        command = "\n".join(block.lines)
        return [Action(kind=ActionKind.SHELL, text=command)] if command.strip() else []
    if any(_SEARCH.match(line) for line in block.lines):
        return _edits(path, block.lines)
    if block.language in _DIFFS and not path.endswith((".diff", ".patch")):
        return [_invalid(f"a diff can't be applied to `{path}`: give the whole file, or SEARCH and REPLACE parts")]
    return [Action(kind=ActionKind.WRITE, path=path, text=block.content)]


def _edits(path: str, lines: Sequence[str]) -> list[Action]:
    """SEARCH/REPLACE parts; text between them is ignored."""
    actions: list[Action] = []
    starts = [at for at, line in enumerate(lines) if _SEARCH.match(line)]
    for start, limit in zip(starts, [*starts[1:], len(lines)], strict=True):
        end = next((at for at in range(start, limit) if _REPLACE.match(lines[at])), limit)
        dividers = [at for at in range(start, end) if _DIVIDE.match(lines[at])]
        if not dividers:
            actions.append(_invalid(f"a SEARCH part for `{path}` has no line of seven equals signs after it"))
        elif len(dividers) % 2 == 0:
            reason = f"a SEARCH part for `{path}` has several dividing lines; give the whole file instead"
            actions.append(_invalid(reason))
        else:  # a heading underlined with equals signs occurs on both sides, so the middle one divides
            middle = dividers[len(dividers) // 2]
            old, new = _join(lines[start + 1 : middle]), _join(lines[middle + 1 : end])
            actions.append(Action(kind=ActionKind.EDIT, path=path, old=old, text=new))
    return actions


def _join(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _invalid(reason: str) -> Action:
    return Action(kind=ActionKind.INVALID, text=reason)


# --- blocks and prose ------------------------------------------------------------------------------------------------


def _split(reply: str) -> tuple[str | _Block, ...]:
    """Split a reply into lines of prose and fenced blocks, in order.

    A longer fence may contain shorter ones. A fence with a language inside a block of the same fence counts as nested
    as long as all can be closed; otherwise the block ends where the next one begins.
    """
    lines = reply.split("\n")
    if lines[-1] == "":
        lines.pop()
    parts: list[str | _Block] = []
    at = after = 0  # the line after the last block
    while at < len(lines):
        opening = _FENCE.match(lines[at])
        if not opening:
            parts.append(lines[at].rstrip("\r"))
            at += 1
            continue
        end, closed = _find_end(lines, at, opening["fence"])
        indent = re.compile(rf"[ \t]{{0,{len(opening['indent'])}}}")  # as far as the line has the opening fence's
        body = [indent.sub("", line, count=1) for line in lines[at + 1 : end]]
        if lines[at].endswith("\r"):  # the reply's own line ends, not the file's
            body = [line.removesuffix("\r") for line in body]
        language = re.split(r"[\s:,{]", opening["info"], maxsplit=1)[0].lower()
        header = _header_before(lines, at, after - 1)
        path = "" if header is None else clean_path(_HEADER.sub(r"\g<path>", lines[header]))
        if header is not None and path:
            del parts[len(parts) - (at - header) :]
        parts.append(_Block(language=language, lines=tuple(body), closed=closed, path=path))
        at = after = end + 1 if closed else end
    return tuple(parts)


def _find_end(lines: Sequence[str], start: int, fence: str) -> tuple[int, bool]:
    """The line that closes the block, or the first line that is no longer part of it."""
    nested = 0
    inner = len(lines)  # the first fence inside
    for at in range(start + 1, len(lines)):
        found = _FENCE.match(lines[at])
        if not found or not found["fence"].startswith(fence):
            continue
        if found["info"]:
            header = _header_before(lines, at, start)
            if header is not None and not nested:
                return header, False
            nested += 1
            inner = min(inner, at)
        elif nested:
            nested -= 1
        else:
            return at, True
    return inner, False


def _header_before(lines: Sequence[str], at: int, start: int) -> int | None:
    """The line of a `FILE:` header just before a fence, with blank lines between at most."""
    before = at - 1
    while before > start and not lines[before].strip():
        before -= 1
    return before if before > start and _HEADER.match(lines[before]) else None
