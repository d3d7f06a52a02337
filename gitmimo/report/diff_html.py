"""The diff of two trees, and the same as HTML: changed words marked, context unfoldable, omissions named."""

import difflib
import functools
import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexer import Lexer
from pygments.lexers import get_lexer_for_filename
from pygments.util import ClassNotFound

from gitmimo.evidence import FileChange
from gitmimo.git.diff import DiffLine, diff_facts, file_sections
from gitmimo.git.repository import Repository
from gitmimo.ids import Oid
from gitmimo.report.markup import escape, render
from gitmimo.text import hidden_characters

FOLDED_LINES = 400
FOLDED_NAMES = (".lock", "-lock.json", "-lock.yaml", ".min.js", ".min.css", ".map", ".snap", ".svg", "go.sum")
STATUS_WORDS = {"A": "added", "D": "deleted", "M": "changed", "R": "renamed", "T": "type changed", "C": "copied"}
MOST_HIDDEN = 20  # lines of context on each side of a hunk that can be unfolded
MAX_LINES = 60_000  # of one page
MAX_COLOURED = 600_000  # bytes of files that one page colours
MAX_FILE_BYTES = 200_000  # of a file that is coloured
MAX_LINE_CHARACTERS = 2_000
_WORD = re.compile(r"\w+|\s+|[^\w\s]")
_LEAST_ALIKE = 0.4  # of two lines, for the words that differ to be worth marking
_LONGEST_MARKED = 500
_ROWS = {"+": "a", "-": "d", " ": "", "\\": "r"}
_CR_SHOWN = "␍"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDiff:
    """The changes of one file. `remarks` are git's words about modes, renames and binary content."""

    change: FileChange
    lines: tuple[DiffLine, ...] = ()
    remarks: tuple[str, ...] = ()


def read_diff(repository: Repository, old: Oid, new: Oid) -> tuple[FileDiff, ...]:
    """Return the difference of two trees file by file."""
    rest = (section for _, section in file_sections(repository, old, new))
    found = []
    for change in diff_facts(repository, old, new).files:
        # both go through the files in one order; a file that turns into a link, or back, has two sections
        sections = list(itertools.islice(rest, 2 if change.status == "T" else 1))
        remarks = [remark for section in sections for remark in section.remarks]
        remarks += ["too large to be shown"] if any(section.is_too_large for section in sections) else []
        lines = tuple(line for section in sections for line in section.lines)
        found.append(FileDiff(change=change, lines=lines, remarks=tuple(remarks)))
    return tuple(found)


class DiffRenderer:
    """Renders the diffs of one page; all of them share its budgets of lines and of coloured bytes."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._lines_left = MAX_LINES
        self._colours_left = MAX_COLOURED
        self._coloured: dict[tuple[Oid, str], tuple[str, ...] | None] = {}

    def render(
        self,
        files: Sequence[FileDiff],
        *,
        prefix: str,
        trees: tuple[Oid, Oid],
        comments: Mapping[str, str],
        restored: Sequence[str],
    ) -> Markup:
        """Render the files of one product, between two `trees`.

        `comments` are texts by path, `restored` the protected paths whose change was left out.
        """
        shown = []
        for file in files:
            left_out = max(0, len(file.lines) - self._lines_left)
            is_open = len(file.lines) <= FOLDED_LINES and not file.change.path.endswith(FOLDED_NAMES)
            shown.append((file, is_open, self._table(file, *trees), left_out))
        return render(
            "diff.html", files=shown, prefix=prefix, status_words=STATUS_WORDS, comments=comments, restored=restored
        )

    def _table(self, file: FileDiff, old: Oid, new: Oid) -> Markup:
        """Rows as text, not as a template: a product can have tens of thousands of lines."""
        shown = file.lines[: self._lines_left]
        self._lines_left -= len(shown)
        if not shown:
            return Markup("")
        before = self._lines_of(file.change.old_path or file.change.path, old)
        after = self._lines_of(file.change.path, new)
        bodies: list[str] = []
        last = 0  # the last line of the new file that was written
        for is_head, group in itertools.groupby(shown, key=lambda line: line.mark == "@"):
            lines = list(group)
            if is_head:
                head = lines[-1]
                bodies.append(_gap(last, head.new - 1, head.new - head.old, after))
                name = escape(f"@@ {head.old} → {head.new} @@ {head.text}")
                bodies.append(f"<tbody><tr class=h><td colspan=4><code>{name}</code></tbody>")
            else:
                marks = _changed_words(lines)
                rows = [_row(line, before, after, marks.get(index, ())) for index, line in enumerate(lines)]
                bodies.append(f"<tbody>{''.join(rows)}</tbody>")
                last = max(line.new for line in lines) or last
        end = shown[-1]
        if shown == file.lines and after is not None and file.change.status != "A" and end.mark == " ":
            bodies.append(_gap(last, len(after), end.new - end.old, after))
        return Markup(f"<table class=diff>{''.join(bodies)}</table>")

    def _lines_of(self, path: str, tree: Oid) -> tuple[str, ...] | None:
        """The lines of a file as coloured HTML; None when it is not there or has to stay plain."""
        entry = self._repository.find_entry(tree, path)
        if entry is None or entry.mode not in (0o100644, 0o100755):
            return None
        key = (entry.oid, path)
        if key not in self._coloured:
            self._coloured[key] = self._colour(path, self._repository.read_object(entry.oid))
        return self._coloured[key]

    def _colour(self, path: str, data: bytes) -> tuple[str, ...] | None:
        lexer = _lexer_for(path)
        if lexer is None or len(data) > min(MAX_FILE_BYTES, self._colours_left) or b"\0" in data[:8000]:
            return None
        text = data.decode("utf-8", "surrogateescape").replace("\r\n", f"{_CR_SHOWN}\n")
        lines = text.split("\n")
        if hidden_characters(text) or any(len(line) > MAX_LINE_CHARACTERS for line in lines):
            return None  # `escape` marks hidden characters in plain lines
        self._colours_left -= len(data)
        coloured = highlight(text, lexer, HtmlFormatter(nowrap=True)).split("\n")
        return tuple(coloured[: len(lines) - (not lines[-1])])


@functools.lru_cache(maxsize=256)
def _lexer_for(path: str) -> Lexer | None:
    try:
        return get_lexer_for_filename(path.rpartition("/")[2], stripnl=False, ensurenl=False)
    except ClassNotFound:
        return None


def _gap(last: int, end: int, shift: int, after: Sequence[str] | None) -> str:
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


def _changed_words(lines: Sequence[DiffLine]) -> dict[int, list[tuple[int, int]]]:
    """Ranges of characters that differ between a removed line and the one that replaced it, by index."""
    marks: dict[int, list[tuple[int, int]]] = {}
    runs = [(mark, list(run)) for mark, run in itertools.groupby(range(len(lines)), key=lambda at: lines[at].mark)]
    for (first, removed), (second, added) in itertools.pairwise(runs):
        for old, new in zip(removed, added, strict=False) if (first, second) == ("-", "+") else ():
            if max(len(lines[old].text), len(lines[new].text)) > _LONGEST_MARKED:
                continue
            before, after = _WORD.findall(lines[old].text), _WORD.findall(lines[new].text)
            matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
            if matcher.ratio() >= _LEAST_ALIKE:
                changes = [code[1:] for code in matcher.get_opcodes() if code[0] != "equal"]
                marks[old] = [_characters(before, start, end) for start, end, _, _ in changes if end > start]
                marks[new] = [_characters(after, start, end) for _, _, start, end in changes if end > start]
    return marks


def _characters(words: Sequence[str], first: int, last: int) -> tuple[int, int]:
    start = len("".join(words[:first]))
    return start, start + len("".join(words[first:last]))


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


def _row(
    line: DiffLine,
    before: Sequence[str] | None,
    after: Sequence[str] | None,
    marks: Sequence[tuple[int, int]],
) -> str:
    if line.mark == "\\":
        return f"<tr class=r><td><td><td><td><code>{escape(line.text.strip())}</code>"
    lines, number = (before, line.old) if line.mark == "-" else (after, line.new)
    code = lines[number - 1] if lines is not None and 0 < number <= len(lines) else _plain(line.text)
    if marks and "<mark>" not in code:  # there one character is shown by several
        code = mark_ranges(code, marks)
    kind = f" class={_ROWS[line.mark]}" if line.mark != " " else ""
    return f"<tr{kind}><td>{line.old or ''}<td>{line.new or ''}<td>{line.mark.strip()}<td><code>{code}</code>"


def _plain(text: str) -> str:
    text = re.sub(r"\r$", _CR_SHOWN, text)
    if len(text) <= MAX_LINE_CHARACTERS:
        return escape(text)
    return f"{escape(text[:MAX_LINE_CHARACTERS])}<em> … {len(text) - MAX_LINE_CHARACTERS:,} characters more</em>"
