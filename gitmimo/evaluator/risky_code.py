"""What a change makes of Python code that tests seldom see: pasted commands, parameters without effect. Pure."""

import ast
import re
from collections.abc import Iterable, Iterator

from gitmimo.evaluator.indirect_changes import Read
from gitmimo.evaluator.python_env import definitions, parse_python
from gitmimo.files import is_test_path
from gitmimo.text import quoted

_SQL = re.compile(
    r"\s*(?:select\b.*\bfrom|insert\s+into|update\b.*\bset|delete\s+from|(?:drop|alter)\s+table)\b", re.I | re.S
)
_SHELLS = re.compile(r"(?:os\.)?(?:system|popen)|(?:subprocess\.)?(?:getoutput|getstatusoutput)")


def risky_code(paths: Iterable[str], read: Read) -> tuple[str, ...]:
    """Say which changed files build SQL or shell commands from values, or no longer use a parameter."""
    found = []
    for path in sorted(path for path in paths if path.endswith(".py") and not is_test_path(path)):
        before, after = (parse_python(content or b"") for content in read(path))
        new = set(_pasted(after)) - set(_pasted(before))
        found += [f"pastes values into {what}: {quoted(path)}" for what in sorted({what for what, _ in new})]
        found += [f"no longer uses the parameter {name}: {quoted(path)}" for name in sorted(_unused(before, after))]
    return tuple(found)


def _pasted(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Kind and code of each command that is put together from texts and values."""
    for node in ast.walk(tree):
        if isinstance(node, ast.expr) and _SQL.match(_text_with_values(node)):
            yield "SQL", ast.unparse(node)
        elif isinstance(node, ast.Call) and node.args and _text_with_values(node.args[0]):
            is_shell = any(word.arg == "shell" and not _is_false(word.value) for word in node.keywords)
            if is_shell or _SHELLS.fullmatch(ast.unparse(node.func)):
                yield "a shell command", ast.unparse(node)


def _text_with_values(node: ast.expr) -> str:
    """The texts of an expression that puts values into them, `?` for each value; empty for everything else."""
    parts = list(_parts(node))
    return "".join(part or "?" for part in parts) if any(parts) and None in parts else ""


def _parts(node: ast.expr) -> Iterator[str | None]:
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=values):
            yield from (part for value in values for part in _parts(value))
        case ast.BinOp(op=ast.Add(), left=left, right=right):
            yield from (*_parts(left), *_parts(right))
        case ast.BinOp(op=ast.Mod(), left=left) | ast.Call(func=ast.Attribute(value=left, attr="format")):
            yield from (*_parts(left), None)
        case _:
            yield None


def _is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and not node.value


def _unused(before: ast.Module, after: ast.Module) -> Iterator[str]:
    """`name of function` for parameters of functions in both versions that only the old one reads.

    What a file defines several times, as for `typing.overload`, is taken together.
    """
    old, new = _functions(before), _functions(after)
    for function in new.keys() & old.keys():
        reads_before, reads = (set().union(*map(_read_names, nodes)) for nodes in (old[function], new[function]))
        for name in dict.fromkeys(name for node in new[function] for name in _parameters(node)):
            if name in reads_before and name not in reads:
                yield f"`{name}` of `{function}`"


def _functions(tree: ast.Module) -> dict[str, list[ast.FunctionDef | ast.AsyncFunctionDef]]:
    found: dict[str, list[ast.FunctionDef | ast.AsyncFunctionDef]] = {}
    for name, node in definitions(tree):
        if not isinstance(node, ast.ClassDef):
            found.setdefault(name, []).append(node)
    return found


def _parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    given = node.args
    return [
        each.arg for each in (*given.posonlyargs, *given.args, *given.kwonlyargs) if each.arg not in ("self", "cls")
    ]


def _read_names(node: ast.AST) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load)}
