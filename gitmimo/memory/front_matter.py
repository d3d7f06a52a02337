"""Markdown files with a header, in the small part of YAML that every reader understands in the same way.

Written: block style, every value in double quotes. Read: that, and simple unquoted words. Refused: tags, anchors,
aliases, flow and block scalars, nesting deeper than one level, duplicate keys, `---` inside, tabs, control and hidden
characters, too much of anything. No YAML library takes part, so none of its surprises can.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gitmimo.errors import BadMemory
from gitmimo.text import hidden_characters

Value = str | tuple[str, ...] | Mapping[str, str] | tuple[Mapping[str, str], ...]
"""A scalar, a list of scalars, a map of scalars, or a list of such maps."""

MAX_HEADER = 32_768
MAX_LINES = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A file's header in its order, and its body. `repeated` holds further values of keys that came again."""

    header: Mapping[str, Value]
    body: str
    repeated: tuple[tuple[str, Value], ...] = ()


def write_document(header: Mapping[str, Value], body: str) -> bytes:
    """Format a document; reading it back gives the same header. BadMemory when a text holds hidden characters."""
    lines = ["---"]
    for key, value in header.items():
        if isinstance(value, str):
            lines.append(f"{key}: {_quote(value)}")
        elif isinstance(value, Mapping):
            lines.append(f"{key}:")
            lines += [f"  {name}: {_quote(item)}" for name, item in value.items()]
        elif value:
            lines.append(f"{key}:")
            for item in value:
                if isinstance(item, str):
                    lines.append(f"  - {_quote(item)}")
                else:
                    pairs = [f"{name}: {_quote(part)}" for name, part in item.items()]
                    lines += [f"{'  - ' if index == 0 else '    '}{pair}" for index, pair in enumerate(pairs)]
    lines += ["---", ""]
    return ("\n".join(lines) + body.strip("\n") + "\n").encode()


def read_document(data: bytes, *, max_bytes: int, merged: bool = False) -> Document:
    """Parse a document strictly. BadMemory says what is wrong and on which line.

    With `merged`, a key may come again, as after a union merge; otherwise that is refused.
    """
    if len(data) > max_bytes:
        raise BadMemory(f"larger than {max_bytes} bytes: {len(data)}")
    try:
        text = data.decode().replace("\r\n", "\n")
    except UnicodeDecodeError as exc:
        raise BadMemory(f"not UTF-8 at byte {exc.start}") from exc
    hidden = hidden_characters(text)
    if hidden:
        raise BadMemory(f"hidden characters: {', '.join(hidden[:3])}")
    if not text.startswith("---\n"):
        raise BadMemory("does not start with a `---` line")
    end = text.find("\n---\n", 3)
    if end < 0:
        raise BadMemory("the header has no closing `---` line")
    header = text[4 : end + 1]
    if "---" in header:
        raise BadMemory("`---` inside the header")
    if len(header) > MAX_HEADER or header.count("\n") > MAX_LINES:
        raise BadMemory(f"header larger than {MAX_HEADER} characters")
    values, repeated = _Parser(header.split("\n")[:-1]).parse()
    if repeated and not merged:
        raise BadMemory(f"duplicate key: `{repeated[0][0]}`")
    return Document(header=values, body=text[end + 5 :].strip("\n"), repeated=tuple(repeated))


def text_of(document: Document, key: str, default: str | None = None) -> str:
    """Return a scalar; BadMemory when it is absent without a default, or no scalar."""
    value = document.header.get(key, default)
    if not isinstance(value, str):
        raise BadMemory(f"`{key}` is missing" if value is None else f"`{key}` must be one text")
    return value


def texts_of(document: Document, key: str) -> tuple[str, ...]:
    """Return a list of scalars, empty when absent."""
    value = document.header.get(key, ())
    if isinstance(value, str) or not isinstance(value, tuple):
        raise BadMemory(f"`{key}` must be a list of texts")
    texts = tuple(item for item in value if isinstance(item, str))
    if len(texts) != len(value):
        raise BadMemory(f"`{key}` must be a list of texts")
    return texts


def maps_of(document: Document, key: str, fields: Sequence[str]) -> tuple[Mapping[str, str], ...]:
    """Return a list of maps with exactly these fields, empty when absent."""
    value = document.header.get(key, ())
    if not isinstance(value, tuple):
        raise BadMemory(f"`{key}` must be a list")
    maps = tuple(item for item in value if not isinstance(item, str))
    if len(maps) != len(value) or any(set(item) != set(fields) for item in maps):
        raise BadMemory(f"every entry of `{key}` must hold {', '.join(f'`{name}`' for name in fields)}")
    return maps


def refuse_unknown(document: Document, allowed: Sequence[str]) -> None:
    """BadMemory when the header holds a key that is not in the list."""
    unknown = [key for key in document.header if key not in allowed]
    if unknown:
        raise BadMemory(f"unknown key: `{unknown[0]}`")


# --- writing ---------------------------------------------------------------------------------------------------------


def _quote(text: str) -> str:
    hidden = hidden_characters(text.replace("\n", " "))
    if hidden:
        raise BadMemory(f"hidden characters in a value: {', '.join(hidden[:3])}")
    # a dash escaped: readers that cut the header at the next `---` must not find one
    return json.dumps(text, ensure_ascii=False).replace("---", "-\\u002d-")


# --- reading ---------------------------------------------------------------------------------------------------------

_KEY = r"([A-Za-z][A-Za-z0-9._-]{0,63})"
_TOP = re.compile(rf"{_KEY}:(?: (.+))?\Z")
_PAIR = re.compile(rf"{_KEY}: (.+)\Z")
_PLAIN = re.compile(r"[A-Za-z0-9./][^\n#:]*(?::(?! )[^\n#:]+)*\Z")
_QUOTED = re.compile(r'"(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*"\Z')
_FORBIDDEN = {
    "!": "YAML tag",
    "&": "YAML anchor",
    "*": "YAML alias",
    "{": "flow map",
    "[": "flow list",
    "|": "block scalar",
    ">": "block scalar",
    "%": "YAML directive",
    "'": "single quotes",
    "@": "reserved character",
    "`": "reserved character",
}


class _Parser:
    """Reads header lines top down; each key is a scalar or owns the indented lines below it."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = lines
        self._at = 0

    def parse(self) -> tuple[dict[str, Value], list[tuple[str, Value]]]:
        values: dict[str, Value] = {}
        repeated: list[tuple[str, Value]] = []
        while self._at < len(self._lines):
            line = self._lines[self._at]
            if not line.strip():
                self._at += 1
                continue
            match = _TOP.match(line)
            if not match:
                raise self._wrong(_reason(line))
            self._at += 1
            value: Value = self._scalar(match[2]) if match[2] else self._block()
            if match[1] in values:
                repeated.append((match[1], value))
            else:
                values[match[1]] = value
        return values, repeated

    def _block(self) -> Value:
        if self._at < len(self._lines) and self._lines[self._at].startswith("  - "):
            return self._list()
        pairs: dict[str, str] = {}
        while self._at < len(self._lines) and self._lines[self._at].startswith("  "):
            self._add_pair(pairs, self._lines[self._at][2:])
        if not pairs:
            raise self._wrong("a key without a value", back=1)
        return pairs

    def _list(self) -> Value:
        texts: list[str] = []
        maps: list[Mapping[str, str]] = []
        while self._at < len(self._lines) and self._lines[self._at].startswith("  - "):
            item = self._lines[self._at][4:]
            if _PAIR.match(item) and not item.startswith('"'):
                pairs: dict[str, str] = {}
                self._add_pair(pairs, item)
                while self._at < len(self._lines) and self._lines[self._at].startswith("    "):
                    self._add_pair(pairs, self._lines[self._at][4:])
                maps.append(pairs)
            else:
                texts.append(self._scalar(item))
                self._at += 1
        if texts and maps:
            raise self._wrong("a list of texts and maps together", back=1)
        return tuple(texts) if texts else tuple(maps)

    def _add_pair(self, pairs: dict[str, str], line: str) -> None:
        match = _PAIR.match(line)
        if not match:
            raise self._wrong(_reason(line))
        if match[1] in pairs:
            raise self._wrong(f"duplicate key: `{match[1]}`")
        pairs[match[1]] = self._scalar(match[2])
        self._at += 1

    def _scalar(self, raw: str) -> str:
        raw = raw.rstrip()
        if raw.startswith('"'):
            if not _QUOTED.match(raw):
                raise self._wrong("broken quotes")
            text = str(json.loads(raw))
            if hidden_characters(text.replace("\n", " ")):
                raise self._wrong("hidden characters")
            return text
        if raw[:1] in _FORBIDDEN:
            raise self._wrong(f"{_FORBIDDEN[raw[:1]]} is not allowed")
        if not _PLAIN.match(raw):
            raise self._wrong("put the value in double quotes")
        return raw

    def _wrong(self, reason: str, *, back: int = 0) -> BadMemory:
        return BadMemory(f"{reason}, line {self._at + 2 - back}")


def _reason(line: str) -> str:
    stripped = line.strip()
    if "\t" in line:
        return "a tab"
    if stripped.startswith("<<"):
        return "YAML merge key is not allowed"
    if stripped[:1] in _FORBIDDEN:
        return f"{_FORBIDDEN[stripped[:1]]} is not allowed"
    if stripped.startswith(("<<<<<<<", "=======", ">>>>>>>")):
        return "conflict markers"
    return "not `key: value`" if not line.startswith(" ") else "nested deeper than allowed"
