"""Spans of a Python file's syntax: the text of a node, and edits that replace it."""

import ast
from collections.abc import Iterator, Set
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One replacement: bytes from `start` to `end` of the file's UTF-8 become `text`. Lower ranks are likelier."""

    path: str
    start: int
    end: int
    text: str
    line: int
    rank: int
    what: str


def apply(source: str, edit: Edit) -> str:
    """The file's text with the edit made."""
    data = source.encode()
    return (data[: edit.start] + edit.text.encode() + data[edit.end :]).decode()


class Source:
    """A parsed file and the lines in question. SyntaxError and ValueError for text that doesn't parse."""

    def __init__(self, path: str, text: str, lines: Set[int]) -> None:
        self.tree = ast.parse(text)
        self._path, self._lines, self._data = path, lines, text.encode()
        self._starts = [0]
        for line in self._data.split(b"\n"):
            self._starts.append(self._starts[-1] + len(line) + 1)

    def is_near(self, node: ast.AST) -> bool:
        """Whether a node touches one of the lines; what has no place of its own does."""
        if not isinstance(node, (ast.stmt, ast.expr)):
            return True
        return any(node.lineno <= line <= (node.end_lineno or node.lineno) for line in self._lines)

    def span(self, node: ast.stmt | ast.expr) -> tuple[int, int]:
        """First byte, and the one after the last."""
        end_line, end = node.end_lineno or node.lineno, node.end_col_offset or 0
        return self._starts[node.lineno - 1] + node.col_offset, self._starts[end_line - 1] + end

    def text(self, node: ast.stmt | ast.expr) -> str:
        """The node as it is written."""
        start, end = self.span(node)
        return self._data[start:end].decode()

    def meaning(self, node: ast.stmt, edit: Edit | None = None) -> str | None:
        """Equal for texts of a statement that mean the same, with an edit inside it; None for what doesn't parse."""
        start, end = self.span(node)
        data = self._data[start:end]
        if edit is not None:
            data = self._data[start : edit.start] + edit.text.encode() + self._data[edit.end : end]
        opening = f"if 1:\n{' ' * node.col_offset}" if node.col_offset else ""
        try:
            return ast.dump(ast.parse(opening + data.decode()))
        except (SyntaxError, ValueError, RecursionError):
            return None

    def gap(self, first: ast.stmt | ast.expr, second: ast.stmt | ast.expr) -> str:
        """The text between two nodes."""
        return self._data[self.span(first)[1] : self.span(second)[0]].decode()

    def replace(self, node: ast.stmt | ast.expr, text: str, rank: int, what: str = "") -> Edit:
        """Other text for a node."""
        start, end = self.span(node)
        return self.put(start, end, text, rank, what)

    def put(self, start: int, end: int, text: str, rank: int, what: str = "") -> Edit:
        """Other text for a span."""
        old = self._data[start:end].decode().strip()
        label = what or (f"`{text.strip()}` for `{old}`" if old and text.strip() else f"`{(text or old).strip()}`")
        line = self._data.count(b"\n", 0, start) + 1
        return Edit(path=self._path, start=start, end=end, text=text, line=line, rank=rank, what=label)

    def between(self, left: ast.expr, right: ast.expr, old: str, new: str, rank: int) -> Iterator[Edit]:
        """Another operator between two operands; brackets and comments may stand around it."""
        start, end = self.span(left)[1], self.span(right)[0]
        at = self._data.find(old.encode(), start, end)
        if at >= 0:
            yield self.put(at, at + len(old.encode()), new, rank)
