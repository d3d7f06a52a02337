"""Code compared and put together by its syntax: copies found, functions located and replaced.

Python gets its syntax tree. Other languages are compared without white space, and have no functions here.
"""

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_DEFINITIONS = (*_FUNCTIONS, ast.ClassDef)
_IMPORTS = (ast.Import, ast.ImportFrom)
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
    """A file's text with what a model wrote in it: the whole file again, or the function `meant` ("Box.set").

    With the function come imports that are new. None for text that doesn't parse, and for a part of a file that doesn't
    have this function.
    """
    if not is_python(path):
        return written
    source = written if _tree(written) is not None else _dedent(written)
    tree, base = _tree(source), _tree(text)
    if tree is None or not tree.body:
        return None
    known, new = _definitions_in(base.body, "") if base is not None else {}, _definitions_in(tree.body, "")
    if base is None or (known.keys() <= new.keys() and _assigned(base) <= _assigned(tree)):
        return source if source.endswith("\n") else f"{source}\n"
    old, node = known.get(meant), new.get(meant) or new.get(meant.rpartition(".")[2])
    if old is None or node is None:
        return None
    part = source.split("\n")[_first_line(node) - 1 : node.end_lineno]
    lines, top = text.split("\n"), _end_of_imports(base)
    lines[_first_line(old) - 1 : old.end_lineno] = _indented(part, node.col_offset, old.col_offset)
    present = {ast.unparse(each) for each in base.body}
    imports = [ast.unparse(each) for each in tree.body if isinstance(each, _IMPORTS)]
    lines[top:top] = [each for each in imports if each not in present]
    return "\n".join(lines)


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


def _assigned(tree: ast.Module) -> set[str]:
    """Names that a module assigns at its top level."""
    found: set[str] = set()
    for node in tree.body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found


def _end_of_imports(tree: ast.Module) -> int:
    """The last line of a module's imports; of its docstring where it has none."""
    heads: list[ast.stmt] = [node for node in tree.body if isinstance(node, _IMPORTS)]
    heads += tree.body[:1] if ast.get_docstring(tree, clean=False) is not None else []
    return max((node.end_lineno or 0 for node in heads), default=0)


def _first_line(node: _Definition) -> int:
    """The line of the first decorator, or of the definition."""
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


def _indented(lines: Sequence[str], old: int, new: int) -> list[str]:
    """Move lines from one indent to another; lines inside strings that are further left stay."""
    if old == new:
        return list(lines)
    return [" " * new + line[old:] if line[:old].strip() == "" and line.strip() else line for line in lines]
