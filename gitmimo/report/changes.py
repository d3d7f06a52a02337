"""Diffs as HTML: files folded when big, lines coloured within a budget, what is left out named."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gitmimo.git.repository import Repository
from gitmimo.records import Oid
from gitmimo.report.diff import DiffLine, FileDiff
from gitmimo.report.highlight import Highlighter
from gitmimo.report.html import Markup, escape, join, prose, tag

FOLDED_LINES = 400
FOLDED_NAMES = (".lock", "-lock.json", "-lock.yaml", ".min.js", ".min.css", ".map", ".snap", ".svg", "go.sum")
STATUS_WORDS = {"A": "added", "D": "deleted", "M": "changed", "R": "renamed", "T": "type changed", "C": "copied"}
_ROWS = {"+": "a", "-": "d", " ": "", "@": "h", "\\": "r"}
_CR = "<mark>\\x0d</mark>"


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
        old: Oid,
        new: Oid,
        comments: Mapping[str, str] | None = None,
        notes: Mapping[str, str] | None = None,
    ) -> Markup:
        """Render the files of one product. `comments` and `notes` are texts by path, shown above the file's lines."""
        if not files:
            return tag("p", "No file changed.", class_="quiet")
        return join(
            self._file(file, f"{prefix}-f{number}", old, new, (comments or {}).get(file.change.path, ""),
                       (notes or {}).get(file.change.path, ""))
            for number, file in enumerate(files, 1)
        )  # fmt: skip

    def _file(self, file: FileDiff, anchor: str, old: Oid, new: Oid, comment: str, note: str) -> Markup:
        change = file.change
        size = sum(line.kind in "+-" for line in file.lines)
        is_open = len(file.lines) <= FOLDED_LINES and not change.path.endswith(FOLDED_NAMES)
        name = f"{change.old_path} → {change.path}" if change.old_path else change.path
        head = tag(
            "summary",
            tag("span", escaped_path(name), class_="path"),
            tag("span", STATUS_WORDS.get(change.status, change.status), class_=f"status st-{change.status}"),
            counts(change.added, change.removed) if not change.is_binary else tag("span", "binary", class_="quiet"),
            tag("span", "critic's comment", class_="chip warn") if comment else None,
        )
        body = [
            tag("p", tag("strong", "Critic: "), prose(comment), class_="comment") if comment else None,
            tag("p", note, class_="comment") if note else None,
            [tag("p", remark, class_="quiet mono") for remark in file.remarks[:20]],
        ]
        if file.lines:
            body.append(self._table(file, old, new) if self.line_budget > 0 else self._left_out(size, change.path))
        return tag("details", head, body, class_="file", id=anchor, open=is_open, data_big=not is_open)

    def _table(self, file: FileDiff, old: Oid, new: Oid) -> Markup:
        shown = file.lines[: self.line_budget]
        self.line_budget -= len(shown)
        path = file.change.path
        before = self._coloured(file.change.old_path or path, old)
        after = self._coloured(path, new)
        # row by row as text: a product can have tens of thousands of lines
        rows = "".join(self._row(line, before, after) for line in shown)
        table = Markup(f"<table class=diff><tbody>{rows}</tbody></table>")
        rest = self._left_out(len(file.lines) - len(shown), path) if len(shown) < len(file.lines) else None
        label = f"Lines of {path}"
        return join(tag("div", table, class_="scroll", role="region", tabindex=0, aria_label=label), rest)

    def _row(self, line: DiffLine, before: Sequence[str] | None, after: Sequence[str] | None) -> str:
        if line.kind in "@\\":
            said = escape(line.text) if line.kind == "\\" else f"@@ {line.old} → {line.new} @@ {escape(line.text)}"
            return f"<tr class={_ROWS[line.kind]}><td colspan=3><td><code>{said}</code>"
        lines, number = (before, line.old) if line.kind == "-" else (after, line.new)
        code = lines[number - 1] if lines is not None and 0 < number <= len(lines) else self._plain(line.text)
        if code.endswith(_CR):
            code = f"{code.removesuffix(_CR)}<u>␍</u>"
        kind = f" class={_ROWS[line.kind]}" if line.kind != " " else ""
        return f"<tr{kind}><td>{line.old or ''}<td>{line.new or ''}<td>{line.kind.strip()}<td><code>{code}</code>"

    def _plain(self, text: str) -> str:
        if len(text) <= self.line_length:
            return escape(text)
        return f"{escape(text[: self.line_length])}<em> … {len(text) - self.line_length:,} characters more</em>"

    def _coloured(self, path: str, tree: Oid) -> Sequence[str] | None:
        entry = self.repository.find_entry(tree, path)
        if entry is None or entry.mode not in (0o100644, 0o100755):
            return None
        return self.highlighter.lines(f"{entry.oid}:{path}", path, self.repository.read_object(entry.oid))

    def _left_out(self, lines: int, path: str) -> Markup:
        said = f"{lines:,} lines of {path} are left out of this page, which shows at most so many; git shows them all."
        return tag("p", said, class_="quiet")


def escaped_path(path: str) -> Markup:
    """A path on one line, with places where it may wrap."""
    return Markup("/<wbr>".join(escape(part) for part in path.replace("\n", "\\n").split("/")))


def counts(added: int, removed: int) -> Markup:
    """How many lines came and went."""
    return tag(
        "span",
        tag("span", f"+{added:,}", class_="plus"),
        " ",
        tag("span", f"−{removed:,}", class_="minus"),
        class_="counts",
    )
