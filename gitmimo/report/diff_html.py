"""Diffs as HTML: changed words marked, context unfoldable, omissions named."""

import difflib
import functools
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup
from pygments.lexer import Lexer
from pygments.lexers import get_lexer_for_filename
from pygments.token import STANDARD_TYPES, _TokenType
from pygments.util import ClassNotFound

from gitmimo.git.diff import DiffLine
from gitmimo.git.repository import Repository
from gitmimo.ids import Oid
from gitmimo.report.markup import escape, render
from gitmimo.report.review_data import FileDiff

FOLDED_LINES = 400
FOLDED_NAMES = (".lock", "-lock.json", "-lock.yaml", ".min.js", ".min.css", ".map", ".snap", ".svg", "go.sum")
STATUS_WORDS = {"A": "added", "D": "deleted", "M": "changed", "R": "renamed", "T": "type changed", "C": "copied"}
MOST_HIDDEN = 20  # lines of context on each side of a hunk that can be unfolded
_ROWS = {"+": "a", "-": "d", " ": "", "\\": "r"}
_CR = "<mark>\\x0d</mark>"
_WORD = re.compile(r"\w+|\s+|[^\w\s]")
_LEAST_ALIKE = 0.4  # of two lines, for the words that differ to be worth marking
_LONGEST_MARKED = 500
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


@dataclass(slots=True)
class DiffRenderer:
    """Renders diffs of one page; all of them share the budget of lines."""

    repository: Repository
    line_budget: int = 60_000
    line_length: int = 2_000
    highlighter: Highlighter = field(default_factory=Highlighter)

    def files(
        self,
        files: Sequence[FileDiff],
        *,
        prefix: str,
        trees: tuple[Oid, Oid],
        comments: Mapping[str, str] | None = None,
        notes: Mapping[str, str] | None = None,
    ) -> Markup:
        """Render the files of one product, between two `trees`. `comments` and `notes` are texts by path."""
        shown = []
        for number, file in enumerate(files, 1):
            left_out = max(0, len(file.lines) - max(0, self.line_budget))
            shown.append(
                {
                    "anchor": f"{prefix}-f{number}",
                    "file": file,
                    "name": _name(file),
                    "status": STATUS_WORDS.get(file.change.status, file.change.status),
                    "is_open": len(file.lines) <= FOLDED_LINES and not file.change.path.endswith(FOLDED_NAMES),
                    "comment": (comments or {}).get(file.change.path, ""),
                    "note": (notes or {}).get(file.change.path, ""),
                    "table": self._table(file, *trees),
                    "left_out": left_out,
                }
            )
        return render("diff.html", files=shown)

    def _table(self, file: FileDiff, old: Oid, new: Oid) -> Markup:
        """Rows as text, not as a template: a product can have tens of thousands of lines."""
        shown = file.lines[: max(0, self.line_budget)]
        self.line_budget -= len(shown)
        if not shown:
            return Markup("")
        path = file.change.path
        before = self._coloured(file.change.old_path or path, old)
        after, length = self._coloured(path, new), self._length(path, new)
        marks = _changed_words(shown)
        bodies: list[str] = []
        rows: list[str] = []
        last = 0  # the last line of the new file that was written
        for index, line in enumerate(shown):
            if line.mark == "@":
                bodies += [f"<tbody>{''.join(rows)}</tbody>"] if rows else []
                bodies.append(self._gap(last, line.new - 1, line.new - line.old, after))
                bodies.append(f"<tbody><tr class=h><td colspan=4><code>{_hunk_head(line)}</code></tbody>")
                rows = []
                continue
            rows.append(self._row(line, before, after, marks.get(index, ())))
            last = line.new or last
        bodies.append(f"<tbody>{''.join(rows)}</tbody>")
        if shown == file.lines and after is not None and file.change.status != "A" and shown[-1].mark != "\\":
            shift = (shown[-1].new - shown[-1].old) if shown[-1].mark == " " else 0
            bodies.append(self._gap(last, length, shift, after) if shown[-1].mark == " " else "")
        return Markup(f"<table class=diff>{''.join(bodies)}</table>")

    def _gap(self, last: int, end: int, shift: int, after: Sequence[str] | None) -> str:
        """The unchanged lines `last + 1` to `end` of the new file, hidden until they are asked for."""
        if after is None or end <= last or end > len(after):
            return ""
        numbers = [*range(last + 1, end + 1)]
        if len(numbers) > 2 * MOST_HIDDEN:
            numbers = numbers[-MOST_HIDDEN:] if last == 0 else [*numbers[:MOST_HIDDEN], 0, *numbers[-MOST_HIDDEN:]]
        rows = "".join(
            f"<tr><td>{number - shift}<td>{number}<td><td><code>{after[number - 1]}</code>"
            if number
            else "<tr class=r><td><td><td><td><code>…</code>"
            for number in numbers
        )
        count = sum(number > 0 for number in numbers)
        button = f"<button type=button class=more>show {count} more line{'s' if count > 1 else ''}</button>"
        return f"<tbody><tr class=x><td colspan=4>{button}</tbody><tbody hidden>{rows}</tbody>"

    def _row(
        self,
        line: DiffLine,
        before: Sequence[str] | None,
        after: Sequence[str] | None,
        marks: Sequence[tuple[int, int]],
    ) -> str:
        if line.mark == "\\":
            return f"<tr class=r><td><td><td><td><code>{escape(line.text.strip())}</code>"
        lines, number = (before, line.old) if line.mark == "-" else (after, line.new)
        code = lines[number - 1] if lines is not None and 0 < number <= len(lines) else self._plain(line.text)
        if code.endswith(_CR):
            code = f"{code.removesuffix(_CR)}<u>␍</u>"
        if marks and len(line.text) <= _LONGEST_MARKED and "<mark>" not in code:
            code = mark_ranges(code, marks)
        kind = f" class={_ROWS[line.mark]}" if line.mark != " " else ""
        return f"<tr{kind}><td>{line.old or ''}<td>{line.new or ''}<td>{line.mark.strip()}<td><code>{code}</code>"

    def _plain(self, text: str) -> str:
        if len(text) <= self.line_length:
            return escape(text)
        return f"{escape(text[: self.line_length])}<em> … {len(text) - self.line_length:,} characters more</em>"

    def _coloured(self, path: str, tree: Oid) -> Sequence[str] | None:
        entry = self.repository.find_entry(tree, path)
        if entry is None or entry.mode not in (0o100644, 0o100755):
            return None
        return self.highlighter.lines(f"{entry.oid}:{path}", path, self.repository.read_object(entry.oid))

    def _length(self, path: str, tree: Oid) -> int:
        data = self.repository.read_blob(tree, path) or b""
        return data.count(b"\n") + (not data.endswith(b"\n") and bool(data))


def mark_ranges(code: str, ranges: Sequence[tuple[int, int]]) -> str:
    """Put `<b>` around ranges of characters of escaped HTML; tags count for nothing, an entity for one character."""
    starts, ends = {start for start, _ in ranges}, {end for _, end in ranges}
    written: list[str] = []
    at, is_open = 0, False
    for piece in re.findall(r"<[^>]*>|&[^;]+;|.", code, re.DOTALL):
        if piece.startswith("<") and len(piece) > 1:
            written.append(f"</b>{piece}<b>" if is_open else piece)
            continue
        if at in ends and is_open:
            written.append("</b>")
            is_open = False
        if at in starts:
            written.append("<b>")
            is_open = True
        written.append(piece)
        at += 1
    return "".join([*written, "</b>" if is_open else ""]).replace("<b></b>", "")


def _name(file: FileDiff) -> str:
    return f"{file.change.old_path} → {file.change.path}" if file.change.old_path else file.change.path


def _hunk_head(line: DiffLine) -> Markup:
    return escape(f"@@ {line.old} → {line.new} @@ {line.text}")


def _changed_words(lines: Sequence[DiffLine]) -> dict[int, list[tuple[int, int]]]:
    """Ranges of characters that differ between a removed line and the line that replaced it, by index."""
    marks: dict[int, list[tuple[int, int]]] = {}
    for removed, added in _replacements(lines):
        for old, new in zip(removed, added, strict=False):
            before, after = _WORD.findall(lines[old].text), _WORD.findall(lines[new].text)
            if max(len(lines[old].text), len(lines[new].text)) > _LONGEST_MARKED:
                continue
            matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
            if matcher.ratio() < _LEAST_ALIKE:
                continue
            codes = [code for code in matcher.get_opcodes() if code[0] != "equal"]
            marks[old] = [_characters(before, first, last) for _, first, last, _, _ in codes if last > first]
            marks[new] = [_characters(after, first, last) for _, _, _, first, last in codes if last > first]
    return marks


def _replacements(lines: Sequence[DiffLine]) -> Iterator[tuple[list[int], list[int]]]:
    """Runs of removed lines that are followed at once by added ones, as indexes."""
    runs = [(kind, list(run)) for kind, run in itertools.groupby(range(len(lines)), key=lambda at: lines[at].mark)]
    for (kind, removed), (next_kind, added) in itertools.pairwise(runs):
        if (kind, next_kind) == ("-", "+"):
            yield removed, added


def _characters(words: Sequence[str], first: int, last: int) -> tuple[int, int]:
    start = sum(map(len, words[:first]))
    return start, start + sum(map(len, words[first:last]))
