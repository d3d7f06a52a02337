"""Fenced blocks in a model's reply: where they begin and end, also in malformed replies."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

HEADER = re.compile(
    r"^[\s>#*_`-]*(?:\d+[.)]\s*)?[*_`]*FILE(?:\s*NAME|\s*PATH)?[*_`]*\s*:[*_]*\s*(?P<path>.*?)\s*$", re.IGNORECASE
)
"""A line that names the file of the block after it."""

_FENCE = re.compile(r"^(?P<indent>[ \t]{0,12})(?P<fence>`{3,}|~{3,})[ \t]*(?P<info>[^`]*?)[ \t]*\r?$")
_ONE_LINE = re.compile(r"^[ \t]*(?P<fence>`{3,})(?P<info>\w+)[ \t]+(?P<body>[^`]+?)(?P=fence)[ \t]*\r?$")
_DOCUMENTS = (".md", ".markdown", ".mdx", ".rst", ".txt", ".adoc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prose:
    """One line outside every block, without its line end."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One fenced block. `closed` is false when the reply ended, or another block began, before the closing fence."""

    info: str
    lines: tuple[str, ...]
    closed: bool

    @property
    def content(self) -> str:
        """The lines with their line ends."""
        return "".join(f"{line}\n" for line in self.lines)


def split_reply(reply: str) -> tuple[Prose | Block, ...]:
    """Split a reply into lines of prose and fenced blocks, in order.

    A longer fence may contain shorter ones. A fence with a language inside a block of the same fence counts as nested
    as long as all can be closed; otherwise the block ends where the next one begins.
    """
    lines = reply.split("\n")
    if lines[-1] == "":
        lines.pop()
    parts: list[Prose | Block] = []
    at = 0
    while at < len(lines):
        opening = _FENCE.match(lines[at])
        single = None if opening else _ONE_LINE.match(lines[at])
        if single:
            parts.append(Block(info=single["info"], lines=(single["body"],), closed=True))
        if not opening:
            if not single:
                parts.append(Prose(text=lines[at].rstrip("\r")))
            at += 1
            continue
        end, closed = _find_end(lines, at, opening, named=_named_before(parts))
        body = [_dedent(line, opening["indent"]) for line in lines[at + 1 : end]]
        if lines[at].endswith("\r"):  # the reply's own line ends, not the file's
            body = [line.removesuffix("\r") for line in body]
        parts.append(Block(info=opening["info"], lines=tuple(body), closed=closed))
        at = end + 1 if closed else end
    return tuple(parts)


def _find_end(lines: Sequence[str], start: int, opening: re.Match[str], *, named: str) -> tuple[int, bool]:
    """The line that closes the block, or the first line that is no longer part of it."""
    mark, size = opening["fence"][0], len(opening["fence"])
    nested = 0
    inner: list[int] = []
    closers: list[int] = []
    for at in range(start + 1, len(lines)):
        found = _FENCE.match(lines[at])
        if not found or found["fence"][0] != mark or len(found["fence"]) < size:
            continue
        if found["info"]:
            header = _header_before(lines, at, start)
            if header is not None and not inner:
                return header, False
            nested += 1
            inner.append(at)
        elif nested:
            nested -= 1
            closers.append(at)
        else:
            return at, True
    if inner:
        # one fence is missing: a document probably lacks an inner one, code its own last one
        if closers and named.lower().endswith(_DOCUMENTS):
            return closers[-1], True
        return inner[0], False
    return len(lines), False


def _header_before(lines: Sequence[str], at: int, start: int) -> int | None:
    """The line of a `FILE:` header just before a fence, with blank lines between at most."""
    before = at - 1
    while before > start and not lines[before].strip():
        before -= 1
    return before if before > start and HEADER.match(lines[before]) else None


def _named_before(parts: Sequence[Prose | Block]) -> str:
    for part in reversed(parts):
        if isinstance(part, Block):
            return ""
        if part.text.strip():
            found = HEADER.match(part.text)
            return found["path"].strip("`*_\"' ") if found else ""
    return ""


def _dedent(line: str, indent: str) -> str:
    """Take away what the opening fence was indented by, as far as the line has it."""
    taken = 0
    while taken < len(indent) and taken < len(line) and line[taken] in " \t":
        taken += 1
    return line[taken:]
