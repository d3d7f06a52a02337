"""Which Python functions a change can have given another behaviour, read off two versions of a file."""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from gitmimo.files import is_test_path
from gitmimo.git.repository import Repository
from gitmimo.ids import Oid

_MOST_CALLERS = 12
_MOST_CONSTANTS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedFunctions:
    """Qualified names of one file, or path::qualified name in trees."""

    direct: frozenset[str] = frozenset()  # in both versions, with another body
    callers: frozenset[str] = frozenset()  # in both versions, and use something that changed in their file
    added: frozenset[str] = frozenset()  # in the new version only; in trees also those that moved to another file
    constants: tuple[int | float | str, ...] = ()  # numbers and short texts in the changed code of both versions

    @property
    def existing(self) -> frozenset[str]:
        """Functions of base that may do something else now."""
        return self.direct | self.callers


@dataclass(slots=True)
class _Module:
    """The parts of one version: functions by qualified name, and everything else by the names it defines."""

    functions: dict[str, str] = field(default_factory=dict)  # without docstrings and positions
    others: dict[str, str] = field(default_factory=dict)
    uses: dict[str, frozenset[str]] = field(default_factory=dict)  # names that a function mentions
    nodes: dict[str, ast.AST] = field(default_factory=dict)


def changed_in_trees(repository: Repository, base: Oid, trees: Sequence[Oid]) -> ChangedFunctions:
    """What changed in any of the trees, next to base; test files don't count."""
    names: dict[str, set[str]] = {"direct": set(), "callers": set(), "added": set()}
    constants: dict[int | float | str, None] = {}
    before = {entry.path: entry.oid for entry in repository.list_paths(base)}
    for tree in trees:
        after = {entry.path: entry.oid for entry in repository.list_paths(tree)}
        of_tree: dict[int | float | str, None] = {}
        for path in sorted(after):
            if not path.endswith(".py") or is_test_path(path) or before.get(path) == after[path]:
                continue
            found = changed_functions(repository.read_blob(base, path) or b"", repository.read_blob(tree, path) or b"")
            for kind, of_kind in names.items():
                of_kind |= {f"{path}::{name}" for name in getattr(found, kind)}
            of_tree.update(dict.fromkeys(found.constants))
        constants.update(dict.fromkeys(list(of_tree)[:_MOST_CONSTANTS]))
    return ChangedFunctions(**{kind: frozenset(of) for kind, of in names.items()}, constants=tuple(constants))


def group_by_code(repository: Repository, base: Oid, trees: Sequence[Oid]) -> tuple[tuple[Oid, ...], ...]:
    """Trees that say the same next to base, comments and docstrings of Python aside; the largest group first."""
    before = {entry.path: entry.oid for entry in repository.list_paths(base)}
    groups: dict[str, list[Oid]] = {}
    for tree in trees:
        after = {entry.path: entry.oid for entry in repository.list_paths(tree)}
        changed = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
        code = [(path, _code(repository, tree, path) or after.get(path)) for path in changed]
        groups.setdefault(repr(code), []).append(tree)
    return tuple(tuple(group) for group in sorted(groups.values(), key=len, reverse=True))


def _code(repository: Repository, tree: Oid, path: str) -> str:
    """What a Python file says, in a form that comments don't change; empty for other files."""
    if not path.endswith(".py"):
        return ""
    try:
        module = _read(ast.parse(repository.read_blob(tree, path) or b""))
    except (SyntaxError, ValueError, RecursionError):
        return ""
    return repr((sorted(module.functions.items()), sorted(module.others.items())))


def changed_functions(old: bytes, new: bytes) -> ChangedFunctions:
    """Compare two versions of a file; nothing for text that doesn't parse."""
    try:
        before, after = _read(ast.parse(old)), _read(ast.parse(new))
    except (SyntaxError, ValueError, RecursionError):
        return ChangedFunctions()
    both = before.functions.keys() & after.functions.keys()
    direct = {name for name in both if before.functions[name] != after.functions[name]}
    added = after.functions.keys() - before.functions.keys()
    others = before.others.keys() | after.others.keys()
    names = {name for name in others if before.others.get(name) != after.others.get(name)}
    gone = before.functions.keys() - after.functions.keys()
    touched = {_short(name) for name in direct | added | gone} | names
    callers = _callers(both - direct, touched, before, after)
    changed = [
        part.nodes[name] for part in (before, after) for name in sorted(direct | added | names) if name in part.nodes
    ]
    return ChangedFunctions(
        direct=frozenset(direct),
        callers=frozenset(callers),
        added=frozenset(added),
        constants=tuple(dict.fromkeys(constant for node in changed for constant in _constants(node))),
    )


def _callers(rest: set[str], touched: set[str], before: _Module, after: _Module) -> set[str]:
    """Functions that use a changed name, and those that use them."""
    found: set[str] = set()
    names = set(touched)
    while True:
        more = {
            name
            for name in rest - found
            if names & (before.uses[name] | after.uses[name]) or name.rpartition(".")[0] in names
        }
        if not more or len(found) > _MOST_CALLERS:
            return found
        found |= more
        names |= {_short(name) for name in more}


def _short(name: str) -> str:
    owner, _, short = name.rpartition(".")
    return owner if short in ("__init__", "__new__") else short


def _read(tree: ast.Module) -> _Module:
    module = _Module()
    for name, node in _parts(tree.body, ""):
        module.nodes[name] = node
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            module.functions[name] = _meaning(node)
            module.uses[name] = frozenset(_mentioned(node))
        else:
            module.others[name] = module.others.get(name, "") + ast.dump(node)
    return module


def _parts(body: list[ast.stmt], prefix: str) -> Iterator[tuple[str, ast.AST]]:
    """Functions, and other statements under the names that they define; a class's own under the class's name."""
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield prefix + node.name, node
        elif isinstance(node, ast.ClassDef):
            yield prefix + node.name, ast.Tuple([*node.bases, *node.decorator_list], ast.Load())
            for name, part in _parts(node.body, f"{prefix}{node.name}."):
                is_function = isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef))
                yield (name if is_function else prefix + node.name), part
        elif isinstance(node, (ast.If, ast.Try, ast.With)):
            for part_name in ("body", "orelse", "finalbody"):
                yield from _parts(getattr(node, part_name, []), prefix)
        elif not _is_text(node) and not isinstance(node, (ast.Import, ast.ImportFrom, ast.Pass)):
            names = [each for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)]
            yield from ((prefix + name, node) for name in [each.id for each in names] or ["*"])


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _meaning(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    body = node.body[1:] if _is_text(node.body[0]) else node.body
    parts = [ast.dump(node.args), *(ast.dump(each) for each in (*node.decorator_list, *body))]
    return f"{type(node).__name__} " + "\n".join(parts)


def _mentioned(node: ast.AST) -> Iterator[str]:
    for each in ast.walk(node):
        if isinstance(each, ast.Name):
            yield each.id
        elif isinstance(each, ast.Attribute):
            yield each.attr


def _constants(node: ast.AST) -> Iterator[int | float | str]:
    for each in ast.walk(node):
        value = each.value if isinstance(each, ast.Constant) else None
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e9
        if is_number or (isinstance(value, str) and 0 < len(value) <= 12):
            yield value  # type: ignore[misc]
