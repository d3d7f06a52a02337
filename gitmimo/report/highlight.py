"""Syntax highlighting line by line within a budget; files that are too large or fail to parse stay plain."""

import functools
from collections.abc import Sequence

from pygments.lexer import Lexer
from pygments.lexers import get_lexer_for_filename
from pygments.token import STANDARD_TYPES, _TokenType
from pygments.util import ClassNotFound

from gitmimo.report.markup import escape

MAX_FILE_CHARACTERS = 200_000
MAX_LINE_CHARACTERS = 2_000

# pygments' own short names of what has a colour in page.css; keywords, strings, comments and numbers with all that they
# begin with
_COLOURED = ("k", "s", "c", "m", "ow", "nf", "nc", "nd", "nb", "ne", "nt", "na", "no")


class Highlighter:
    """Colours whole files and hands out their lines as HTML; stops when its budget of characters is used up."""

    def __init__(self, budget: int = 800_000) -> None:
        self._left = budget
        self._cache: dict[str, tuple[str, ...] | None] = {}

    def lines(self, key: str, path: str, data: bytes | None) -> Sequence[str] | None:
        """Return a file's lines as HTML; None when it has to stay plain. `key` names the content, as its blob id."""
        if data is None:
            return None
        if key not in self._cache:
            self._cache[key] = self._colour(path, data)
        return self._cache[key]

    def _colour(self, path: str, data: bytes) -> tuple[str, ...] | None:
        if len(data) > min(MAX_FILE_CHARACTERS, self._left) or b"\0" in data[:8000]:
            return None
        text = data.decode("utf-8", "surrogateescape")
        lexer = _lexer_for(path)
        if lexer is None or any(len(line) > MAX_LINE_CHARACTERS for line in text.split("\n")):
            return None
        self._left -= len(data)
        lines: list[list[str]] = [[]]
        # without its clean-up pygments keeps every character, so line numbers stay right
        for _, kind, value in lexer.get_tokens_unprocessed(text):
            name = _class_of(kind)
            for number, piece in enumerate(value.split("\n")):
                if number:
                    lines.append([])
                if piece:
                    shown = escape(piece)
                    lines[-1].append(f"<i class={name}>{shown}</i>" if name else shown)
        return tuple("".join(pieces) for pieces in lines)


@functools.lru_cache(maxsize=256)
def _lexer_for(path: str) -> Lexer | None:
    try:
        return get_lexer_for_filename(path.rpartition("/")[2])
    except ClassNotFound:
        return None


@functools.lru_cache(maxsize=1024)
def _class_of(kind: _TokenType) -> str:
    while kind not in STANDARD_TYPES and kind.parent is not None:
        kind = kind.parent
    name = STANDARD_TYPES.get(kind, "")
    return name if name.startswith(_COLOURED) else ""
