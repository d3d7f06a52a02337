"""Small edits of Python code on lines that failing tests execute: mutation-based repair (Debroy and Wong, ICST 2010).

Some are for mistakes of Python's own: a shared default, an argument that is changed, a statement at the wrong depth.
Each edit replaces one span of the text; layout and comments elsewhere are kept. Ranks say how likely such a mistake is,
0 the likeliest.
"""

import ast
import itertools
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence, Set
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

    def between(self, left: ast.expr, right: ast.expr, old: str, others: Sequence[str], rank: int) -> Iterator[Edit]:
        """Other operators between two operands; brackets and comments may stand around the old one."""
        at = self._data.find(old.encode(), self.span(left)[1], self.span(right)[0])
        if at >= 0:
            yield from (self.put(at, at + len(old.encode()), new, rank) for new in others)


def _expressions(source: Source, node: ast.AST) -> Iterator[Edit]:
    """Another operator, operands the other way round, one of them left out, a condition denied."""
    match node:
        case ast.Compare(left=first, ops=ops, comparators=others):
            for left, operator, right in zip([first, *others], ops, others, strict=False):
                old, likely, *rest = _KNOWN["comparisons"][type(operator).__name__]
                yield from source.between(left, right, old, [likely], 0)
                yield from source.between(left, right, old, rest, 2)
        case ast.AugAssign(target=target, op=op, value=value) if type(op).__name__ in _ARITHMETIC:
            old, *rest = _ARITHMETIC[type(op).__name__]
            yield from source.between(target, value, f"{old}=", [f"{new}=" for new in (*rest, "")], 2)
        case ast.BinOp(left=left, op=op, right=right) if type(op).__name__ in _ARITHMETIC:
            old, *rest = _ARITHMETIC[type(op).__name__]
            yield from source.between(left, right, old, rest, 1)
            yield source.replace(node, source.text(left), 3)
            yield source.replace(node, source.text(right), 3)
            if not isinstance(op, (ast.Add, ast.Mult)):
                yield source.replace(node, f"{source.text(right)} {old} {source.text(left)}", 3)
            if isinstance(op, (ast.Div, ast.FloorDiv, ast.Mod)):
                yield source.replace(node, f"({source.text(node)} if {source.text(right)} else 0)", 4)
        case ast.BoolOp(op=op, values=values):
            old, new = ("and", "or") if isinstance(op, ast.And) else ("or", "and")
            for left, right in itertools.pairwise(values):
                yield from source.between(left, right, old, [new], 1)
            for value in values:
                kept = f" {old} ".join(source.text(other) for other in values if other is not value)
                yield source.replace(node, kept, 3)
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield source.replace(node, source.text(operand), 2)
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test) if not isinstance(test, ast.Compare):
            yield source.replace(test, f"not ({source.text(test)})", 2)


def _values(source: Source, node: ast.AST, names: Sequence[str]) -> Iterator[Edit]:
    """A number one off, a truth turned round, another variable, a copy of what is returned or kept."""
    match node:
        case ast.Constant(value=bool(truth)):
            yield source.replace(node, str(not truth), 1)
        case ast.Constant(value=int(number)):
            for other in dict.fromkeys((number + 1, number - 1, 0, 1, -number)):
                text = str(other) if other >= 0 else f"({other})"
                yield source.replace(node, text, 1 if abs(other - number) == 1 else 3)
        case ast.Name(id=name, ctx=ast.Load()) if name in names:
            for each in names[:_MOST_NAMES]:
                yield source.replace(node, each, 3)
        case ast.Return(value=ast.expr() as value) | ast.Assign(value=value):
            if isinstance(value, (ast.Name, ast.Attribute, ast.Subscript)):
                for copy in _COPIES:
                    yield source.replace(value, f"{copy}({source.text(value)})", 3)


def _statements(source: Source, node: ast.AST) -> Iterator[Edit]:
    """A loop that is left or goes on, a last statement moved out of its block."""
    match node:
        case ast.Break() | ast.Continue():
            yield source.replace(node, "continue" if isinstance(node, ast.Break) else "break", 3)
        case (
            ast.For(body=[_, *_, last])
            | ast.While(body=[_, *_, last])
            | ast.If(body=[_, *_, last])
            | ast.With(body=[_, *_, last])
        ):
            if source.is_near(last) and last.lineno == last.end_lineno:
                start, end = source.span(last)
                what = f"`{source.text(last)}` one block further out"
                yield source.put(start - last.col_offset, end, " " * node.col_offset + source.text(last), 2, what)


def _off_by_one(source: Source, node: ast.AST) -> Iterator[Edit]:
    """Add or subtract one where counts occur: ranges, indices, slices, comparisons, results, arguments."""
    counts: list[tuple[ast.expr | None, int]] = []  # with how likely such a mistake is
    match node:
        case ast.Subscript(slice=ast.Slice(lower=lower, upper=upper)):
            counts = [(lower, 1), (upper, 1)]
        case ast.Subscript(slice=index):
            counts = [(index, 1)]
        case ast.Compare(left=left, comparators=others):
            counts = [(operand, 2) for operand in (left, *others)]
        case ast.Call(func=ast.Name(id="range"), args=[first, *rest]):
            counts = [(argument, 1) for argument in (first, *rest)]
            start = source.span(first)[0]
            if not rest:
                yield source.put(start, start, "1, ", 2, "a range from 1")
            elif len(rest) == 1:
                yield source.put(start, source.span(rest[0])[0], "", 2, "a range from 0")
        case ast.Call(args=arguments):
            counts = [(argument, 3) for argument in arguments]
        case ast.Return(value=value) | ast.Assign(value=value) | ast.AugAssign(value=value):
            counts = [(value, 2)]
        case ast.BinOp(left=left, right=right):
            counts = [(left, 2), (right, 2)]
    for expression, rank in counts:
        if isinstance(expression, (ast.Name, ast.Attribute, ast.Call, ast.BinOp, ast.Subscript)):
            yield source.replace(expression, f"{source.text(expression)} + 1", rank)
            yield source.replace(expression, f"{source.text(expression)} - 1", rank)


def _calls(source: Source, node: ast.AST) -> Iterator[Edit]:
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
    for node in filter(source.is_near, _own_nodes(function)):
        yield from _values(source, node, names)
        for kind in (_expressions, _off_by_one, _calls, _statements):
            yield from kind(source, node)


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
    counts = Counter[str]()
    for node in ast.walk(function):
        if isinstance(node, ast.arg) and node.arg not in ("self", "cls"):
            counts[node.arg] += 1
        elif isinstance(node, ast.Name) and (isinstance(node.ctx, ast.Store) or node.id in counts):
            counts[node.id] += 1
    return tuple(name for name, _ in counts.most_common())
