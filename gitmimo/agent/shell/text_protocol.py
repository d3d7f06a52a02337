"""The text protocol: actions read from plain text, because small models write code better outside JSON."""

import re
from collections.abc import Sequence
from dataclasses import replace

from gitmimo.agent.shell.fences import HEADER, Block, Prose, split_reply
from gitmimo.agent.shell.reply_paths import clean_path, comment_path, info_language, info_path, is_path_line
from gitmimo.records import Action, ActionKind

_SHELL = {"bash", "sh", "shell", "zsh", "console", "shell-session", "shellsession", "terminal"}
_CONSOLE = {"console", "shell-session", "shellsession", "terminal"}
_DIFFS = {"diff", "patch", "udiff"}
_KEYWORD = re.compile(
    r"^[\s>#*_-]*(?P<word>FINISH(?:ED)?|GIVE[ _]UP|NOTE|PLAN|SHOW)\b[*_]*\s*(?P<colon>:?)[*_]*[ \t]*(?P<rest>.*)$"
)
_KINDS = {"FINISH": ActionKind.FINISH, "FINISHED": ActionKind.FINISH, "NOTE": ActionKind.NOTE, "PLAN": ActionKind.PLAN}
_SEARCH = re.compile(r"^<{5,9}\s*(?:SEARCH|ORIGINAL|OLD)?\s*$", re.IGNORECASE)
_DIVIDE = re.compile(r"^={5,9}\s*$")
_REPLACE = re.compile(r"^>{5,9}\s*(?:REPLACE|UPDATED|NEW)?\s*$", re.IGNORECASE)
_THOUGHT = re.compile(r"\A\s*<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL)
_OPEN_THOUGHT = re.compile(r"\A\s*<think(?:ing)?>(?!.*</think(?:ing)?>).*\Z", re.DOTALL)

NO_ACTION = (
    "the reply holds no action. Use a fenced block with the language bash for a command; a line FILE: with the path, "
    "then a fenced block, for a file; or a line that starts with FINISH: or GIVE UP:"
)


def without_thinking(reply: str) -> str:
    """A reply without the thinking that a model put before it between marks, closed or cut off."""
    return _OPEN_THOUGHT.sub("", _THOUGHT.sub("", reply, count=1))


def parse_text(reply: str, *, single_file: str | None = None, cut: bool = False) -> tuple[Action, ...]:
    """Read the actions of a reply, in order; empty when it has none and nothing that was meant as one.

    `single_file` is the path a bare code block belongs to when just one file is in play. `cut` says that the reply
    ended at the output limit: what its last block would do is then INVALID, never carried out. What looks like an
    action and can't be read becomes INVALID with the reason; the reason contains no block that could be repeated.
    """
    parts = split_reply(_THOUGHT.sub("", reply, count=1))
    reader = _Reader(parts, cut=cut)
    actions = reader.read()
    if reader.bare and not any(action.kind in (ActionKind.WRITE, ActionKind.EDIT) for action in actions):
        actions = _with_bare(actions, reader.bare, single_file)
    if not actions:
        # a header that no block follows is a mistake only when there is nothing else to do
        return tuple(reader.doubts)
    return tuple(actions)


def _with_bare(actions: list[Action], bare: Sequence[Block], single_file: str | None) -> list[Action]:
    """Give a code block without a path to the only file in play; ends of the reply stay behind it."""
    if single_file is None:
        if actions:
            return actions
        return [
            _invalid(
                "a code block without a path: write a line FILE: with the path before it, or use the language bash"
            )
        ]
    distinct = list({block.content: block for block in bare}.values())
    largest = max(distinct, key=lambda block: len(block.content))
    if len(distinct) > 1 and len(largest.content) < 0.6 * sum(len(block.content) for block in distinct):
        return [*actions, _invalid("several code blocks and none says which file it is: write FILE: and the path")]
    made = _file_actions(single_file, largest)
    ends = (ActionKind.FINISH, ActionKind.GIVE_UP)
    return [
        *(a for a in actions if a.kind not in ends),
        *made,
        *(a for a in actions if a.kind in ends),
    ]


class _Reader:
    """Walks over the parts of one reply."""

    def __init__(self, parts: Sequence[Prose | Block], *, cut: bool) -> None:
        self._parts = parts
        self._cut = cut
        self.bare: list[Block] = []
        self.doubts: list[Action] = []

    def read(self) -> list[Action]:
        actions: list[Action] = []
        at = 0
        while at < len(self._parts):
            part = self._parts[at]
            if isinstance(part, Block):
                actions += self._read_block(part, path=None, last=at == len(self._parts) - 1)
                at += 1
                continue
            keyword = _KEYWORD.match(part.text)
            if keyword and (keyword["colon"] or keyword["word"] == "SHOW" or not keyword["rest"].strip()):
                action, at = self._read_keyword(keyword, at)
                if action is not None:
                    actions.append(action)
                continue
            made, at = self._read_named(part.text, at)
            actions += made
        return actions

    def _read_keyword(self, found: re.Match[str], at: int) -> tuple[Action | None, int]:
        """FINISH, GIVE UP and PLAN take the prose up to the next block or keyword, NOTE up to a blank line."""
        word = found["word"].replace("_", " ")
        if word == "SHOW":
            number = re.match(r"(?:step\s*)?#?(\d+(?:\s+\d+(?:-\d+)?)?)\W*$", found["rest"].strip(), re.IGNORECASE)
            return (Action(kind=ActionKind.SHOW, text=number[1]) if number else None), at + 1
        kind = _KINDS.get(word, ActionKind.GIVE_UP)
        lines = [found["rest"]]
        at += 1
        while at < len(self._parts):
            part = self._parts[at]
            if isinstance(part, Block) or self._begins_action(part.text, at):
                break
            if kind is ActionKind.NOTE and not part.text.strip():
                break
            lines.append(part.text)
            at += 1
        text = "\n".join(lines).strip().strip("*").strip()
        if not text and kind in (ActionKind.NOTE, ActionKind.PLAN):
            return None, at
        return Action(kind=kind, text=text), at

    def _begins_action(self, line: str, at: int) -> bool:
        keyword = _KEYWORD.match(line)
        if keyword and (keyword["colon"] or keyword["word"] == "SHOW"):
            return True
        return bool(HEADER.match(line)) and self._block_after(at) is not None

    def _read_named(self, line: str, at: int) -> tuple[list[Action], int]:
        """A `FILE:` header, or a line that is nothing but a path, with the block that follows it."""
        header = HEADER.match(line)
        path = clean_path(header["path"]) if header else (is_path_line(line) or "")
        block_at = self._block_after(at) if header else self._block_after(at, skip=0)
        if not path or block_at is None:
            if header and path and "FILE" in line:
                loose = self._read_loose_edits(path, at)
                if loose is not None:
                    return loose
                self.doubts.append(
                    _invalid(f"the header for `{path}` is not followed by a fenced block with its content")
                )
            return [], at + 1
        block = self._parts[block_at]
        assert isinstance(block, Block)
        if not header and info_language(block.info) in _SHELL:
            return [], at + 1
        return self._read_block(block, path=path, last=block_at == len(self._parts) - 1), block_at + 1

    def _block_after(self, at: int, *, skip: int = 2) -> int | None:
        """The block that follows, over blank lines and at most `skip` lines of prose that begin nothing."""
        for later in range(at + 1, len(self._parts)):
            part = self._parts[later]
            if isinstance(part, Block):
                return later
            if not part.text.strip():
                continue
            if skip == 0 or HEADER.match(part.text) or _KEYWORD.match(part.text) or _SEARCH.match(part.text):
                return None
            skip -= 1
        return None

    def _read_loose_edits(self, path: str, at: int) -> tuple[list[Action], int] | None:
        """SEARCH/REPLACE lines right after a header, without a fence around them."""
        end = at + 1
        lines = []
        while end < len(self._parts):
            part = self._parts[end]
            if isinstance(part, Block) or HEADER.match(part.text):
                break
            lines.append(part.text)
            end += 1
            if _REPLACE.match(part.text) and not any(
                isinstance(p, Prose) and _SEARCH.match(p.text) for p in self._parts[end : end + 3]
            ):
                break
        if not any(_SEARCH.match(line) for line in lines):
            return None
        return _edits(path, lines), end

    def _read_block(self, block: Block, *, path: str | None, last: bool) -> list[Action]:
        if self._cut and last and not block.closed:
            where = f" for `{path}`" if path else ""
            return [
                _invalid(f"the reply was cut at the output limit inside its last block{where}; nothing of it was done")
            ]
        language = info_language(block.info)
        if path is None:
            path = info_path(block.info, is_shell=language in _SHELL)
        if path is None and language not in _SHELL:
            path, block = _path_inside(block)
        if path is not None:
            return _file_actions(path, block)
        if language in _SHELL:
            command = _command(block, is_console=language in _CONSOLE)
            return [Action(kind=ActionKind.SHELL, text=command)] if command.strip() else []
        self.bare.append(block)
        return []


def _command(block: Block, *, is_console: bool) -> str:
    lines = list(block.lines)
    prompts = [line for line in lines if line.startswith("$ ")]
    if prompts and (is_console or len(prompts) == len([line for line in lines if line.strip()])):
        lines = [line[2:] for line in prompts]
    return "\n".join(lines)


def _path_inside(block: Block) -> tuple[str | None, Block]:
    """A path on the block's first line, as a header or a comment; the line is then no part of the file."""
    if not block.lines:
        return None, block
    header = HEADER.match(block.lines[0])
    path = clean_path(header["path"]) if header else comment_path(block.lines[0])
    rest = block.lines[1:]
    if not path and rest and _SEARCH.match(rest[0]):
        path = is_path_line(block.lines[0])
    if not path:
        return None, block
    inner = [part for part in split_reply("".join(f"{line}\n" for line in rest)) if not _is_blank(part)]
    if header and len(inner) == 1 and isinstance(inner[0], Block):
        return path, inner[0]
    return path, replace(block, lines=rest)


def _is_blank(part: Prose | Block) -> bool:
    return isinstance(part, Prose) and not part.text.strip()


def _file_actions(path: str, block: Block) -> list[Action]:
    if any(_SEARCH.match(line) for line in block.lines):
        return _edits(path, block.lines)
    if info_language(block.info) in _DIFFS and not path.endswith((".diff", ".patch")):
        return [_invalid(f"a diff can't be applied to `{path}`: give the whole file, or SEARCH and REPLACE parts")]
    return [Action(kind=ActionKind.WRITE, path=path, text=block.content)]


def _edits(path: str, lines: Sequence[str]) -> list[Action]:
    """SEARCH/REPLACE parts; text between them is ignored."""
    actions: list[Action] = []
    at = 0
    while at < len(lines):
        if not _SEARCH.match(lines[at]):
            at += 1
            continue
        end = next((i for i in range(at + 1, len(lines)) if _REPLACE.match(lines[i])), len(lines))
        again = next((i for i in range(at + 1, end) if _SEARCH.match(lines[i])), None)
        if again is not None:
            end = again
        dividers = [i for i in range(at + 1, end) if _DIVIDE.match(lines[i])]
        if not dividers:
            actions.append(_invalid(f"a SEARCH part for `{path}` has no line of seven equals signs after it"))
        elif len(dividers) % 2 == 0:
            actions.append(
                _invalid(f"a SEARCH part for `{path}` has several dividing lines; give the whole file instead")
            )
        else:  # a heading underlined with equals signs occurs on both sides, so the middle one divides
            middle = dividers[len(dividers) // 2]
            actions.append(
                Action(
                    kind=ActionKind.EDIT,
                    path=path,
                    old=_join(lines[at + 1 : middle]),
                    text=_join(lines[middle + 1 : end]),
                )
            )
        at = end if again is not None else end + 1
    return actions


def _join(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _invalid(reason: str) -> Action:
    return Action(kind=ActionKind.INVALID, text=reason)
