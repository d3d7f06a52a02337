"""Small edits of Python code on lines that failing tests execute: mutation-based repair (Debroy and Wong, ICST 2010).

Some are for mistakes of Python's own: a shared default, an argument that is changed, a statement at the wrong depth.
Each edit replaces one span of the text; layout and comments elsewhere are kept. Each of `_OPERATORS` yields the edits
of one kind for one node; ranks say how likely such a mistake is, 0 the likeliest.
"""

import ast
import tomllib
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

_KNOWN: dict[str, dict[str, list[str]]] = tomllib.loads(
    Path(__file__).with_name("operators.toml").read_text(encoding="utf-8")
)
_ARITHMETIC = _KNOWN["arithmetic"]
_GUARDED = ("[]", "0", '""', "None", "{}", "True", "False")
_COPIES = ("list", "dict", "set")
_MOST_NAMES = 6
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_Function = ast.FunctionDef | ast.AsyncFunctionDef


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
        return self.slice(*self.span(node))

    def slice(self, start: int, end: int) -> str:
        """What is written from one byte to another."""
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


def _comparisons(source: Source, node: ast.AST, names: Sequence[str]) -> Iterator[Edit]:
    """`<=` for `<`, and so on."""
    if not isinstance(node, ast.Compare):
        return
    operands = [node.left, *node.comparators]
    for left, operator, right in zip(operands, node.ops, node.comparators, strict=False):
        old, *others = _KNOWN["comparisons"][type(operator).__name__]
        for place, new in enumerate(others):
            yield from source.between(left, right, old, new, 0 if place == 0 else 2)


def _arithmetic(source: Source, node: ast.AST, names: Sequence[str]) -> Iterator[Edit]:
    """`-` for `+`, operands the other way round, one of them left out."""
    if isinstance(node, ast.AugAssign) and type(node.op).__name__ in _ARITHMETIC:
        old, *others = _ARITHMETIC[type(node.op).__name__]
        for new in (*(f"{other}=" for other in others), "="):
            yield from source.between(node.target, node.value, f"{old}=", new, 2)
    if isinstance(node, ast.BinOp) and type(node.op).__name__ in _ARITHMETIC:
        old, *others = _ARITHMETIC[type(node.op).__name__]
        for new in others:
            yield from source.between(node.left, node.right, old, new, 1)
        left, right = source.text(node.left), source.text(node.right)
        yield source.replace(node, left, 3)
        yield source.replace(node, right, 3)
        if not isinstance(node.op, (ast.Add, ast.Mult)):
            yield source.replace(node, f"{right} {old} {left}", 3)
        if isinstance(node.op, (ast.Div, ast.FloorDiv, ast.Mod)):
            yield source.replace(node, f"({source.text(node)} if {right} else 0)", 4)


def _constants(source: Source, node: ast.AST, names: Sequence[str]) -> Iterator[Edit]:
    """A number one off, a truth turned round."""
    if not isinstance(node, ast.Constant):
        return
    if isinstance(node.value, bool):
        yield source.replace(node, str(not node.value), 1)
    elif isinstance(node.value, int):
        for other in dict.fromkeys((node.value + 1, node.value - 1, 0, 1, -node.value)):
            near = abs(other - node.value) == 1
            text = str(other) if other >= 0 else f"({other})"
            yield source.replace(node, text, 1 if near else 3)


def _off_by_one(source: Source, node: ast.AST, names: Sequence[str]) -> Iterator[Edit]:
    """Add or subtract one where counts occur: ranges, indices, slices, comparisons, results, arguments."""
    for expression, rank in _counts(node):
        if isinstance(expression, (ast.Name, ast.Attribute, ast.Call, ast.BinOp, ast.Subscript)):
            text = source.text(expression)
            yield source.replace(expression, f"{text} + 1", rank)
            yield source.replace(expression, f"{text} - 1", rank)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "range" and node.args:
        start = source.span(node.args[0])[0]
        if len(node.args) == 1:
            yield source.put(start, start, "1, ", 2, "a range from 1")
        elif len(node.args) == 2:
            end = source.span(node.args[1])[0]
            yield source.put(start, end, "", 2, "a range from 0")


def _logic(source: Source, node: ast.AST, names: Sequence[str]) -> Iterator[Edit]:
    """`or` for `and`, a condition denied, one part of it left out."""
    if isinstance(node, ast.BoolOp):
        old, new = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
        for left, right in zip(node.values, node.values[1:], strict=False):
            yield from source.between(left, right, old, new, 1)
        for value in node.values:
            rest = f" {old} ".join(source.text(other) for other in node.values if other is not value)
            yield source.replace(node, rest, 3)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.USub)):
        yield source.replace(node, source.text(node.operand), 2)
    elif isinstance(node, (ast.If, ast.While, ast.IfExp)) and not isinstance(node.test, ast.Compare):
        yield source.replace(node.test, f"not ({source.text(node.test)})", 2)


def _calls(source: Source, node: ast.AST, names: Sequence[str]) -> Iterator[Edit]:
    """Another function of the same family, arguments the other way round, the order of a sort reversed."""
    if not isinstance(node, ast.Call):
        return
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    end = source.span(node.func)[1]
    for family in (family.split() for family in _KNOWN["functions"]["families"]):
        for other in family if name in family else ():
            yield source.put(end - len(name.encode()), end, other, 2)
    if len(node.args) == 2 and not node.keywords:
        first, second = (source.text(argument) for argument in node.args)
        start = source.span(node.args[0])[0]
        yield source.put(start, source.span(node.args[1])[1], f"{second}, {first}", 3)
    if name in ("sorted", "sort", "max", "min") and not any(word.arg == "reverse" for word in node.keywords):
        close = source.span(node)[1] - 1
        yield source.put(close, close, f"{', ' if node.args or node.keywords else ''}reverse=True", 4)


def _copies(source: Source, node: ast.AST, names: Sequence[str]) -> Iterator[Edit]:
    """A copy of a value that is returned or kept."""
    value = getattr(node, "value", None)
    if not isinstance(node, (ast.Return, ast.Assign)) or not isinstance(
        value, (ast.Name, ast.Attribute, ast.Subscript)
    ):
        return
    for copy in _COPIES:
        yield source.replace(value, f"{copy}({source.text(value)})", 3)


def _other_names(source: Source, node: ast.AST, names: Sequence[str]) -> Iterator[Edit]:
    """Another variable of the function."""
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in names:
        for other in names[:_MOST_NAMES]:
            if other != node.id:
                yield source.replace(node, other, 3)


def _statements(source: Source, node: ast.AST, names: Sequence[str]) -> Iterator[Edit]:
    """A loop that is left or goes on, a last statement moved out of its block."""
    if isinstance(node, (ast.Break, ast.Continue)):
        yield source.replace(node, "continue" if isinstance(node, ast.Break) else "break", 3)
    block = getattr(node, "body", None)
    if not isinstance(node, (ast.For, ast.While, ast.If, ast.With)) or not isinstance(block, list) or len(block) < 2:
        return
    last = block[-1]
    if source.is_near(last) and last.lineno == last.end_lineno:
        start, end = source.span(last)
        what = f"`{source.text(last)}` one block further out"
        yield source.put(start - last.col_offset, end, " " * node.col_offset + source.text(last), 2, what)


def _guard_clauses(source: Source, function: _Function) -> Iterator[Edit]:
    """Arguments copied before use, early returns for empty ones, shared defaults created per call."""
    body = function.body
    has_docstring = ast.get_docstring(function, clean=False) is not None and len(body) > 1
    first = body[1] if has_docstring else body[0]
    start = source.span(first)[0]
    indent = "\n" + " " * first.col_offset
    arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    names = [argument.arg for argument in arguments if argument.arg not in ("self", "cls")]
    for name in names:
        for copy in _COPIES:
            yield source.put(start, start, f"{name} = {copy}({name}){indent}", 2, f"a copy of `{name}`")
        for value in (*_GUARDED, name):
            what = f"`{value}` for an empty `{name}`"
            yield source.put(start, start, f"if not {name}:{indent}    return {value}{indent}", 4, what)
    plain = [*function.args.posonlyargs, *function.args.args]
    defaults = function.args.defaults
    for argument, default in zip(plain[len(plain) - len(defaults) :], defaults, strict=True):
        is_call = isinstance(default, ast.Call) and getattr(default.func, "id", "") in _COPIES and not default.args
        if is_call or isinstance(default, (ast.List, ast.Dict, ast.Set)):
            name, begin = argument.arg, source.span(default)[0]
            between = source.slice(source.span(default)[1], start)
            made = f"if {name} is None:{indent}    {name} = {source.text(default)}{indent}"
            yield source.put(begin, start, f"None{between}{made}", 0, f"a new `{name}` each time")


def _counts(node: ast.AST) -> Iterator[tuple[ast.expr, int]]:
    """Expressions that may be a count, and how likely an off-by-one mistake is there."""
    if isinstance(node, ast.Subscript):
        if isinstance(node.slice, ast.Slice):
            yield from ((bound, 1) for bound in (node.slice.lower, node.slice.upper) if bound is not None)
        else:
            yield node.slice, 1
    elif isinstance(node, ast.Compare):
        yield from ((operand, 2) for operand in (node.left, *node.comparators))
    elif isinstance(node, ast.Call):
        is_range = isinstance(node.func, ast.Name) and node.func.id == "range"
        yield from ((argument, 1 if is_range else 3) for argument in node.args)
    elif isinstance(node, (ast.Return, ast.Assign, ast.AugAssign)) and node.value is not None:
        yield node.value, 2
    elif isinstance(node, ast.BinOp):
        yield from ((operand, 2) for operand in (node.left, node.right))


_Kind = Callable[[Source, ast.AST, Sequence[str]], Iterator[Edit]]
_OPERATORS: tuple[_Kind, ...] = (
    *(_comparisons, _arithmetic, _constants, _off_by_one, _logic),
    *(_calls, _copies, _other_names, _statements),
)


def edits_of(path: str, text: str, lines: Set[int]) -> tuple[Edit, ...]:
    """All small edits that touch one of these lines, likelier ones first; none for text that doesn't parse.

    Without those that don't parse themselves, or that mean what is there or what was tried before.
    """
    try:
        source = Source(path, text, lines)
    except (SyntaxError, ValueError, RecursionError):
        return ()
    found: list[Edit] = []
    for function in ast.walk(source.tree):
        if not isinstance(function, _FUNCTIONS) or not source.is_near(function):
            continue
        seen = {source.meaning(function), None}
        for edit in _edits_in(source, function):
            meaning = source.meaning(function, edit)
            if meaning not in seen:
                seen.add(meaning)
                found.append(edit)
    return tuple(sorted(found, key=lambda edit: edit.rank))


def _edits_in(source: Source, function: _Function) -> Iterator[Edit]:
    yield from _guard_clauses(source, function)
    names = _names_in(function)
    for node in _own_nodes(function):
        if source.is_near(node):
            for kind in _OPERATORS:
                yield from kind(source, node, names)


def _own_nodes(function: _Function) -> Iterator[ast.AST]:
    """Nodes of a function but not of functions inside it, nor its docstring."""
    waiting: list[ast.AST] = [function]
    while waiting:
        node = waiting.pop(0)
        yield node
        for child in ast.iter_child_nodes(node):
            is_text = isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)
            if not is_text and not isinstance(child, (*_FUNCTIONS, ast.ClassDef)):
                waiting.append(child)


def _names_in(function: _Function) -> tuple[str, ...]:
    """Arguments and variables of a function, those used most first."""
    counts: dict[str, int] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.arg) and node.arg not in ("self", "cls"):
            counts[node.arg] = counts.get(node.arg, 0) + 1
        elif isinstance(node, ast.Name) and (isinstance(node.ctx, ast.Store) or node.id in counts):
            counts[node.id] = counts.get(node.id, 0) + 1
    return tuple(sorted(counts, key=lambda name: -counts[name]))
