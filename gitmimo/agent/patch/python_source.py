"""Code compared and put together by its syntax: copies found, functions located, whole functions replaced.

Python gets its syntax tree. Other languages are compared without white space, and have no functions here.
"""

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A function or method. Lines count from 1; `first` is the line of its first decorator."""

    name: str  # qualified: "Box.set"
    first: int
    head_end: int  # last line of the signature and docstring
    last: int
    indent: int

    @property
    def short(self) -> str:
        return self.name.rpartition(".")[2]


def is_python(path: str) -> bool:
    """Whether a path names a Python file."""
    return path.endswith((".py", ".pyi"))


def parses(path: str, text: str) -> bool:
    """Whether a file could be read by its language; True where that is not known."""
    return not is_python(path) or _tree(text) is not None


def fingerprint(path: str, text: str) -> str:
    """Equal for texts that mean the same: comments, layout and quotes don't count in Python, white space elsewhere."""
    tree = _tree(text) if is_python(path) else None
    if tree is not None:
        _drop_docstrings(tree)
        return ast.dump(tree)
    return re.sub(r"\s+", " ", text).strip()


def find_functions(path: str, text: str) -> tuple[Function, ...]:
    """Functions and methods in order, without those inside other functions; none for text that doesn't parse."""
    tree = _tree(text) if is_python(path) else None
    return tuple(_functions_in(tree.body, "")) if tree is not None else ()


def hide_body(text: str, function: Function, *, stand_in: str = "raise NotImplementedError") -> str:
    """The file with one function's body taken out; signature and docstring stay."""
    lines = text.split("\n")
    body = " " * (function.indent + 4) + stand_in
    return "\n".join([*lines[: function.head_end], body, *lines[function.last :]])


def head_of(text: str, function: Function) -> str:
    """Decorators, signature and docstring, with a newline at the end."""
    return "\n".join(text.split("\n")[function.first - 1 : function.head_end]) + "\n"


def source_of(text: str, function: Function) -> str:
    """The whole function, with a newline at the end."""
    return "\n".join(text.split("\n")[function.first - 1 : function.last]) + "\n"


def with_body(text: str, function: Function, body: str) -> str | None:
    """The file with another body for one function; what follows the body in the given text is dropped.

    None when no body is left.
    """
    kept: list[str] = []
    open_quotes = ""
    for line in body.split("\n"):
        is_outside = line.strip() and len(line) - len(line.lstrip()) <= function.indent and not open_quotes
        if is_outside and line.strip()[0] not in ")]}":
            break
        kept.append(line)
        open_quotes = _quotes_after(line, open_quotes)
    while kept and not kept[-1].strip():
        kept.pop()
    if not kept:
        return None
    lines = text.split("\n")
    return "\n".join([*lines[: function.head_end], *kept, *lines[function.last :]])


def merge_code(path: str, text: str, written: str, *, meant: str = "") -> str | None:
    """Put what a model wrote into a file: the whole file again, or some of its functions and classes.

    Functions replace those of the same name, new ones and imports are added; a class with some methods replaces
    these. A method without its class, whose name several classes have, replaces the one called `meant` ("Box.set").
    None for text that doesn't parse or has nothing to put in.
    """
    if not is_python(path):
        return written
    tree = _tree(written) or _tree(_dedent(written))
    base = _tree(text)
    if tree is None or not tree.body:
        return None
    source = written if _tree(written) is not None else _dedent(written)
    if base is None or _is_whole(base, tree):
        return source if source.endswith("\n") else f"{source}\n"
    return _Merge(text, base, meant).with_parts(tree.body, source)


def _tree(text: str) -> ast.Module | None:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _drop_docstrings(tree: ast.Module) -> None:
    for node in ast.walk(tree):
        if (
            isinstance(node, (*_DEFINITIONS, ast.ClassDef, ast.Module))
            and ast.get_docstring(node, clean=False) is not None
        ):
            node.body = node.body[1:] or [ast.Pass()]


def _functions_in(body: Sequence[ast.stmt], prefix: str) -> list[Function]:
    found: list[Function] = []
    for node in body:
        if isinstance(node, ast.ClassDef):
            found += _functions_in(node.body, f"{prefix}{node.name}.")
        elif isinstance(node, _DEFINITIONS):
            found.append(_function(node, prefix))
        elif isinstance(node, (ast.If, ast.Try)):
            found += _functions_in([*node.body, *node.orelse], prefix)
    return found


def _function(node: ast.FunctionDef | ast.AsyncFunctionDef, prefix: str) -> Function:
    first, *rest = node.body
    has_docstring = ast.get_docstring(node, clean=False) is not None
    head_end = first.end_lineno if has_docstring and rest else first.lineno - 1
    return Function(
        name=prefix + node.name,
        first=min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)]),
        head_end=max(head_end or 0, node.lineno) if first.lineno > node.lineno else node.lineno,
        last=node.end_lineno or node.lineno,
        indent=node.col_offset,
    )


def _quotes_after(line: str, open_quotes: str) -> str:
    """Which triple quote is open after a line."""
    for quote in re.findall(r'"""|\'\'\'', line):
        if not open_quotes:
            open_quotes = quote
        elif quote == open_quotes:
            open_quotes = ""
    return open_quotes


def _dedent(text: str) -> str:
    """Take off the first line's indent, as when methods are given without their class."""
    lines = text.strip("\n").split("\n")
    indent = len(lines[0]) - len(lines[0].lstrip())
    return "\n".join(line[indent:] if not line[:indent].strip() else line for line in lines) + "\n"


def _names(body: Sequence[ast.stmt]) -> set[str]:
    return {node.name for node in body if isinstance(node, (*_DEFINITIONS, ast.ClassDef))}


def _is_whole(base: ast.Module, tree: ast.Module) -> bool:
    """Whether a whole module was written: it has every top-level name of the old one, and classes have all methods."""
    if not _names(base.body) <= _names(tree.body) or _assigned(base) - _assigned(tree):
        return False
    written = {node.name: _names(node.body) for node in tree.body if isinstance(node, ast.ClassDef)}
    return all(
        _names(node.body) <= written.get(node.name, set()) for node in base.body if isinstance(node, ast.ClassDef)
    )


def _assigned(tree: ast.Module) -> set[str]:
    """Names that a module gets by candidate or import."""
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
    return found


class _Merge:
    """Replaces parts of a module, from the last to the first so that line numbers stay true."""

    def __init__(self, text: str, tree: ast.Module, meant: str) -> None:
        self._lines = text.split("\n")
        self._meant = meant
        self._tree = tree
        self._edits: list[tuple[int, int, list[str]]] = []  # first line, last line (before it: insert), new lines
        self._methods: dict[str, list[Function]] = {}
        for function in _functions_in(tree.body, ""):
            self._methods.setdefault(function.short, []).append(function)

    def with_parts(self, body: Sequence[ast.stmt], source: str) -> str | None:
        imports: list[str] = []
        for node in body:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                imports += self._new_import(node)
            elif isinstance(node, ast.ClassDef):
                self._put_class(node, source)
            elif isinstance(node, _DEFINITIONS):
                self._put_function(node, source, owner="")
        if not self._edits:
            return None
        if imports:
            at = self._after_imports()
            self._edits.append((at, at - 1, imports))
        for first, last, lines in sorted(self._edits, key=lambda edit: edit[:2], reverse=True):
            self._lines[first - 1 : last] = lines
        merged = "\n".join(self._lines)
        return merged if _tree(merged) is not None else None

    def _put_function(self, node: ast.FunctionDef | ast.AsyncFunctionDef, source: str, *, owner: str) -> None:
        known = self._methods.get(node.name, [])
        matches = [f for f in known if f.name == f"{owner}{node.name}"] or ([] if owner else known)
        if len(matches) > 1:
            matches = [f for f in matches if f.name == self._meant] or matches
        lines = _lines_of(node, source)
        if len(matches) == 1:
            old = matches[0]
            self._edits.append((old.first, old.last, _indented(lines, node.col_offset, old.indent)))
            return
        if matches:  # several methods of that name and no class to tell them apart
            return
        owners = [n for n in self._tree.body if isinstance(n, ast.ClassDef) and f"{n.name}." == owner]
        if owners:
            at = (owners[0].end_lineno or owners[0].lineno) + 1
            self._edits.append((at, at - 1, ["", *_indented(lines, node.col_offset, owners[0].body[0].col_offset)]))
        elif not owner:
            arguments = [*node.args.posonlyargs, *node.args.args]
            if arguments and arguments[0].arg in ("self", "cls"):
                return
            at = self._after_imports()
            self._edits.append((at, at - 1, ["", "", *_indented(lines, node.col_offset, 0)]))

    def _put_class(self, node: ast.ClassDef, source: str) -> None:
        old = next((n for n in self._tree.body if isinstance(n, ast.ClassDef) and n.name == node.name), None)
        if old is not None and not _names(old.body) <= _names(node.body):
            for part in node.body:
                if isinstance(part, _DEFINITIONS):
                    self._put_function(part, source, owner=f"{node.name}.")
            return
        lines = _lines_of(node, source)
        if old is not None:
            first = min([old.lineno, *(decorator.lineno for decorator in old.decorator_list)])
            self._edits.append((first, old.end_lineno or old.lineno, lines))
        else:
            at = self._after_imports()
            self._edits.append((at, at - 1, ["", "", *lines]))

    def _new_import(self, node: ast.Import | ast.ImportFrom) -> list[str]:
        text = ast.unparse(node)
        present = {ast.unparse(n) for n in self._tree.body if isinstance(n, (ast.Import, ast.ImportFrom))}
        return [] if text in present or _is_own_name(node, self._tree) else [text]

    def _after_imports(self) -> int:
        """The line number at which something new at the top of the module goes."""
        at = 1
        for index, node in enumerate(self._tree.body):
            is_docstring = index == 0 and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            if is_docstring or isinstance(node, (ast.Import, ast.ImportFrom)):
                at = (node.end_lineno or node.lineno) + 1
        return at


def _is_own_name(node: ast.Import | ast.ImportFrom, tree: ast.Module) -> bool:
    """Whether an import names what the module itself defines, as replies with a usage example do."""
    return any(alias.name in _names(tree.body) for alias in node.names)


def _lines_of(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, source: str) -> list[str]:
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    return source.split("\n")[first - 1 : node.end_lineno]


def _indented(lines: Sequence[str], old: int, new: int) -> list[str]:
    """Move lines from one indent to another; lines inside strings that are further left stay."""
    if old == new:
        return list(lines)
    return [" " * new + line[old:] if line[:old].strip() == "" and line.strip() else line for line in lines]
