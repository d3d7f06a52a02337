"""The text protocol: actions read from plain text, because small models write code better outside JSON."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

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
    reader = _Reader(_split(_THOUGHT.sub("", reply, count=1)), cut=cut)
    actions = reader.read()
    if reader.bare and not any(action.kind in (ActionKind.WRITE, ActionKind.EDIT) for action in actions):
        actions = _with_bare(actions, reader.bare, single_file)
    # a header that no block follows is a mistake only when there is nothing else to do
    return tuple(actions or reader.doubts)


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
    return [*before, *_file_actions(single_file, largest), *ends]


class _Reader:
    """Walks over the parts of one reply."""

    def __init__(self, parts: Sequence[str | _Block], *, cut: bool) -> None:
        self._parts = parts
        self._cut = cut
        self.bare: list[_Block] = []
        self.doubts: list[Action] = []

    def read(self) -> list[Action]:
        actions: list[Action] = []
        at = 0
        while at < len(self._parts):
            part = self._parts[at]
            if isinstance(part, _Block):
                actions += self._read_block(part, path="", last=at == len(self._parts) - 1)
                at += 1
            elif (found := _KEYWORD.match(part)) and (_is_action(found) or not found["rest"].strip()):
                made, at = self._read_keyword(found, at)
                actions += made
            elif header := _HEADER.match(part):
                made, at = self._read_header(header, at)
                actions += made
            else:
                at += 1
        return actions

    def _read_keyword(self, found: re.Match[str], at: int) -> tuple[list[Action], int]:
        """FINISH, GIVE UP and PLAN take the prose up to the next block or keyword, NOTE up to a blank line."""
        word = found["word"].replace("_", " ")
        if word == "SHOW":
            if not (shown := _SHOWN.match(found["rest"].strip())):
                return [], at + 1
            first = int(shown[2] or 0)
            return [Action(kind=ActionKind.SHOW, text=shown[1], first=first, last=int(shown[3] or first))], at + 1
        kind = _KINDS.get(word, ActionKind.GIVE_UP)
        lines = [found["rest"]]
        at += 1
        while at < len(self._parts):
            part = self._parts[at]
            if isinstance(part, _Block) or self._begins_action(part, at):
                break
            if kind is ActionKind.NOTE and not part.strip():
                break
            lines.append(part)
            at += 1
        text = "\n".join(lines).strip().strip("*").strip()
        if not text and kind in (ActionKind.NOTE, ActionKind.PLAN):
            return [], at
        return [Action(kind=kind, text=text)], at

    def _begins_action(self, line: str, at: int) -> bool:
        keyword = _KEYWORD.match(line)
        return bool(keyword and _is_action(keyword)) or bool(_HEADER.match(line) and self._block_after(at) is not None)

    def _read_header(self, found: re.Match[str], at: int) -> tuple[list[Action], int]:
        """A `FILE:` header with the block that follows it."""
        path, block_at = clean_path(found["path"]), self._block_after(at)
        if not path or block_at is None:
            if path and "FILE" in found[0]:
                reason = f"the header for `{path}` is not followed by a fenced block with its content"
                self.doubts.append(_invalid(reason))
            return [], at + 1
        block = self._parts[block_at]
        assert isinstance(block, _Block)
        return self._read_block(block, path=path, last=block_at == len(self._parts) - 1), block_at + 1

    def _block_after(self, at: int) -> int | None:
        """The block that follows, over blank lines."""
        later = at + 1
        while later < len(self._parts) and not isinstance(part := self._parts[later], _Block):
            if part.strip():
                return None
            later += 1
        return later if later < len(self._parts) else None

    def _read_block(self, block: _Block, *, path: str, last: bool) -> list[Action]:
        if self._cut and last and not block.closed:
            where = f" for `{path}`" if path else ""
            return [
                _invalid(f"the reply was cut at the output limit inside its last block{where}; nothing of it was done")
            ]
        if path:
            return _file_actions(path, block)
        if block.language in _SHELL:
            command = "\n".join(block.lines)
            return [Action(kind=ActionKind.SHELL, text=command)] if command.strip() else []
        self.bare.append(block)
        return []


def _is_action(keyword: re.Match[str]) -> bool:
    return bool(keyword["colon"]) or keyword["word"] == "SHOW"


def _file_actions(path: str, block: _Block) -> list[Action]:
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
    at = 0
    while at < len(lines):
        opening = _FENCE.match(lines[at])
        if not opening:
            parts.append(lines[at].rstrip("\r"))
            at += 1
            continue
        end, closed = _find_end(lines, at, opening["fence"])
        body = [_dedent(line, opening["indent"]) for line in lines[at + 1 : end]]
        if lines[at].endswith("\r"):  # the reply's own line ends, not the file's
            body = [line.removesuffix("\r") for line in body]
        language = re.split(r"[\s:,{]", opening["info"], maxsplit=1)[0].lower()
        parts.append(_Block(language=language, lines=tuple(body), closed=closed))
        at = end + 1 if closed else end
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


def _dedent(line: str, indent: str) -> str:
    """Take away what the opening fence was indented by, as far as the line has it."""
    taken = 0
    while taken < len(indent) and taken < len(line) and line[taken] in " \t":
        taken += 1
    return line[taken:]
