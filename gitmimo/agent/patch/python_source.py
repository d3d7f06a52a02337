"""Code compared and put together by its syntax: copies found, functions located, whole functions replaced.

Python gets its syntax tree. Other languages are compared without white space, and have no functions here.
"""

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_DEFINITIONS = (*_FUNCTIONS, ast.ClassDef)
_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


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
    known = _definitions_in(tree.body, "") if tree is not None else {}
    return tuple(_function(name, node) for name, node in known.items() if not isinstance(node, ast.ClassDef))


def hide_body(text: str, function: Function, *, stand_in: str = "raise NotImplementedError") -> str:
    """The file with one function's body taken out; signature and docstring stay."""
    lines = text.split("\n")
    body = " " * (function.indent + 4) + stand_in
    return "\n".join([*lines[: function.head_end], body, *lines[function.last :]])


def head_of(text: str, function: Function) -> str:
    """Decorators, signature and docstring, with a newline at the end."""
    return "\n".join(text.split("\n")[function.first - 1 : function.head_end]) + "\n"


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
    source = written if _tree(written) is not None else _dedent(written)
    tree, base = _tree(source), _tree(text)
    if tree is None or not tree.body:
        return None
    if base is None or _is_whole(base, tree):
        return source if source.endswith("\n") else f"{source}\n"
    return _put_in(text, base, tree, source, meant)


def _tree(text: str) -> ast.Module | None:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _drop_docstrings(tree: ast.Module) -> None:
    for node in ast.walk(tree):
        if isinstance(node, (*_DEFINITIONS, ast.Module)) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]


def _definitions_in(body: Sequence[ast.stmt], prefix: str) -> dict[str, _Definition]:
    """Classes, functions and methods by qualified name, without those inside functions."""
    found: dict[str, _Definition] = {}
    for node in body:
        if isinstance(node, _DEFINITIONS):
            found.setdefault(f"{prefix}{node.name}", node)
        if isinstance(node, ast.ClassDef):
            found |= _definitions_in(node.body, f"{prefix}{node.name}.")
        elif isinstance(node, (ast.If, ast.Try)):
            found |= _definitions_in([*node.body, *node.orelse], prefix)
    return found


def _function(name: str, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Function:
    first, *rest = node.body
    has_docstring = ast.get_docstring(node, clean=False) is not None
    head_end = first.end_lineno if has_docstring and rest else first.lineno - 1
    return Function(
        name=name,
        first=_first_line(node),
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


def _is_whole(base: ast.Module, tree: ast.Module) -> bool:
    """Whether a whole module was written: it has every class, function, method and top-level name of the old one."""
    has_definitions = _definitions_in(base.body, "").keys() <= _definitions_in(tree.body, "").keys()
    return has_definitions and _assigned(base) <= _assigned(tree)


def _assigned(tree: ast.Module) -> set[str]:
    """Names that a module assigns at its top level."""
    found: set[str] = set()
    for node in tree.body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found


def _put_in(text: str, base: ast.Module, written: ast.Module, source: str, meant: str) -> str | None:
    """A module's text with the definitions and new imports that were written; None where nothing can be put in."""
    known, lines, new = _definitions_in(base.body, ""), text.split("\n"), source.split("\n")
    top = _after_imports(base)
    edits: list[tuple[int, int, list[str]]] = []  # first line, last line (before it: insert), new lines
    whole: set[str] = set()  # classes that were put in with all that is in them
    for name, node in _definitions_in(written.body, "").items():
        part = new[_first_line(node) - 1 : node.end_lineno]
        owner = name.rpartition(".")[0]
        old, around = _find(known, name, node, meant), known.get(owner)
        is_part = isinstance(node, ast.ClassDef) and isinstance(old, ast.ClassDef) and _lacks_methods(node, old)
        if owner in whole or is_part:
            continue
        if isinstance(node, ast.ClassDef):
            whole.add(name)
        if old is not None:
            last = old.end_lineno or old.lineno
            edits.append((_first_line(old), last, _indented(part, node.col_offset, old.col_offset)))
        elif isinstance(around, ast.ClassDef):
            end = around.end_lineno or around.lineno
            edits.append((end + 1, end, ["", *_indented(part, node.col_offset, around.body[0].col_offset)]))
        elif not _is_method(node):
            edits.append((top, top - 1, ["", "", *_indented(part, node.col_offset, 0)]))
    if not edits:
        return None
    for first, last, part in sorted(
        [*edits, (top, top - 1, _new_imports(written, base))], key=lambda edit: edit[:2], reverse=True
    ):
        lines[first - 1 : last] = part  # from the last to the first, so that line numbers stay true
    merged = "\n".join(lines)
    return merged if _tree(merged) is not None else None


def _lacks_methods(node: ast.ClassDef, old: ast.ClassDef) -> bool:
    return not _definitions_in(old.body, "").keys() <= _definitions_in(node.body, "").keys()


def _find(known: Mapping[str, _Definition], name: str, node: _Definition, meant: str) -> _Definition | None:
    """The definition of a qualified name; for a plain one also the only method of it, or the one that was meant."""
    is_class = isinstance(node, ast.ClassDef)
    known = {other: node for other, node in known.items() if isinstance(node, ast.ClassDef) is is_class}
    short = [other for other in known if other.rpartition(".")[2] == name]
    if name in known or not short:
        return known.get(name)
    return known[short[0]] if len(short) == 1 else known.get(meant if meant in short else "")


def _new_imports(written: ast.Module, base: ast.Module) -> list[str]:
    """Imports as text, without those that are there and those of names that the module defines, as in an example."""
    present = {ast.unparse(node) for node in base.body}
    return [
        ast.unparse(node)
        for node in written.body
        if isinstance(node, (ast.Import, ast.ImportFrom)) and ast.unparse(node) not in present
        if not {alias.name for alias in node.names} & _definitions_in(base.body, "").keys()
    ]


def _after_imports(tree: ast.Module) -> int:
    """The line number at which something new at the top of a module goes."""
    at = 1
    for index, node in enumerate(tree.body):
        is_docstring = index == 0 and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if is_docstring or isinstance(node, (ast.Import, ast.ImportFrom)):
            at = (node.end_lineno or node.lineno) + 1
    return at


def _is_method(node: _Definition) -> bool:
    if isinstance(node, ast.ClassDef):
        return False
    arguments = [*node.args.posonlyargs, *node.args.args]
    return bool(arguments) and arguments[0].arg in ("self", "cls")


def _first_line(node: _Definition) -> int:
    """The line of the first decorator, or of the definition."""
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


def _indented(lines: Sequence[str], old: int, new: int) -> list[str]:
    """Move lines from one indent to another; lines inside strings that are further left stay."""
    if old == new:
        return list(lines)
    return [" " * new + line[old:] if line[:old].strip() == "" and line.strip() else line for line in lines]
