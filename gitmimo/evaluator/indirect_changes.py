"""Changes that no test covers: what acts without being called, alters what tests demand, or does what tests seldom see.

Each needs a person before a merge. Pure, except for the readers of files.
"""

import ast
import doctest
import json
import re
import sys
import tomllib
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from itertools import accumulate
from pathlib import PurePosixPath

from gitmimo.evaluator.python_env import Read, definitions, imported_names, parse_python, table_at
from gitmimo.evaluator.rules import read_rules
from gitmimo.files import is_test_path
from gitmimo.text import escape_controls, hidden_characters, quoted

_ACTS = {name: meaning for meaning, names in read_rules("acts").items() for name in names}
_BY_PATTERN = [(re.compile(pattern), meaning) for meaning, pattern in read_rules("acts_by_pattern").items()]
_INI_SECTIONS = re.compile(rb"^\s*(?:install_requires|setup_requires|extras_require|cmdclass|entry_points)\b", re.M)
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[1-9]|lpt[1-9])(?:\..*)?", re.I)
_FORBIDDEN = re.compile(r'[<>:"|?*\\]')
# letters of other scripts that look like Latin ones
_LOOK_ALIKE = frozenset("аеорсухіјѕԁһԛԝьβαγονρτυχικΑΒΕΖΗΙΚΜΝΟΡΤΥΧАВЕКМНОРСТУХІЈЅ")
_WORD = re.compile(r"\w+")
_LONGEST_NAME = 240  # bytes; some file systems and tools stop there
_WITH_EXAMPLES = (".py", ".pyi", ".md", ".rst", ".txt")
_RUST_TESTS = re.compile(r"#\[cfg\(test\)\]")
# what a helper of tests has, and the product that they are about has not
_JUDGES = re.compile(rb"\bassert\b|\braise AssertionError|\bdef (?:assert|check|expect|verify)_?\w*")
_MOST_FILES = 2_000
_SQL = re.compile(
    r"\s*(?:select\b.*\bfrom|insert\s+into|update\b.*\bset|delete\s+from|(?:drop|alter)\s+table)\b", re.I | re.S
)
_SHELLS = re.compile(r"(?:os\.)?(?:system|popen)|(?:subprocess\.)?(?:getoutput|getstatusoutput)")


def indirect_changes(changed: Collection[str], everything: Collection[str], before: Read, after: Read) -> Iterator[str]:
    """Say what changed files do, one line each; `everything` are the product's paths, both readers give files."""
    for path in sorted(changed):
        old, new = before(path), after(path)
        yield from _of_path(path, old, new)
        if old is not None and not is_test_path(path):
            yield from _changed_demands(path, old, new)
        if path.endswith(".py") and not is_test_path(path):
            yield from _in_python(path, parse_python(old or b""), parse_python(new or b""))
    yield from _collisions(sorted({*changed} & {*everything}), everything)
    yield from _helpers_of_tests(changed, everything, before)


def look_alike_words(line: str) -> tuple[str, ...]:
    """Words that mix Latin letters with letters of other scripts that look the same."""
    found = []
    for word in _WORD.findall(line):
        strange = {letter for letter in word if letter.isalpha() and not letter.isascii()}
        if strange and strange <= _LOOK_ALIKE and any(letter.isascii() and letter.isalpha() for letter in word):
            found.append(word)
    return tuple(found)


def _of_path(path: str, before: bytes | None, after: bytes | None) -> Iterator[str]:
    """What a path does by being there, and what is wrong with its name."""
    shown = quoted(path)
    name = PurePosixPath(path).name
    directories = (f"{part}/" for part in path.split("/")[:-1])
    meaning = _ACTS.get(name) or next((_ACTS[part] for part in directories if part in _ACTS), "")
    meaning = meaning or next((text for pattern, text in _BY_PATTERN if pattern.fullmatch(name)), "")
    if not meaning and re.search(r"(?:^|/)requirements/[^/]+\.(?:txt|in)$", path):
        meaning = "changes dependencies"
    if not meaning and name in ("pyproject.toml", "Cargo.toml", "package.json", "setup.cfg"):
        meaning = _manifest_change(name, before, after)
    if meaning:
        yield f"{meaning}: {shown}"
    if hidden_characters(path) or "\n" in path:
        yield f"hidden characters in a name: {shown}"
    parts = path.split("/")
    if any(_RESERVED.fullmatch(part) or _FORBIDDEN.search(part) or part != part.rstrip(" .") for part in parts):
        yield f"a name that other systems cannot hold: {shown}"
    if any(len(part.encode("utf-8", "surrogateescape")) > _LONGEST_NAME for part in parts):
        yield f"a name of more than {_LONGEST_NAME} bytes: {escape_controls(path[:60], newlines=False)}..."
    if look_alike_words(path):
        yield f"a name with letters that look like others: {shown}"


def _collisions(changed: Iterable[str], everything: Iterable[str]) -> Iterator[str]:
    """Paths that are one file where case or the form of accents doesn't count."""
    folded: dict[str, dict[str, None]] = {}
    for prefix in (prefix for path in everything for prefix in _prefixes(path)):
        folded.setdefault(unicodedata.normalize("NFC", prefix).casefold(), {})[prefix] = None
    known = {prefix: same for same in folded.values() if len(same) > 1 for prefix in same}
    for path in changed:
        if prefix := next((prefix for prefix in _prefixes(path) if prefix in known), ""):
            other = next(other for other in known[prefix] if other != prefix)
            yield f"two names that are one on other systems: {quoted(prefix)}, {quoted(other)}"


def _prefixes(path: str) -> Iterator[str]:
    return accumulate(path.split("/"), lambda parent, name: f"{parent}/{name}")


def _manifest_change(name: str, before: bytes | None, after: bytes | None) -> str:
    """Whether what changed in a file of several purposes is what is installed, built or run by itself."""
    if name == "setup.cfg":
        relevant = _INI_SECTIONS.search(before or b"") or _INI_SECTIONS.search(after or b"")
        return "may change dependencies" if relevant and before != after else ""
    try:
        is_json = name == "package.json"
        old, new = (json.loads(d or b"{}") if is_json else tomllib.loads((d or b"").decode()) for d in (before, after))
        keys = read_rules("manifests")["json" if is_json else "toml"]
        changed = [key for key in keys if table_at(old, *key.split(".")) != table_at(new, *key.split("."))]
    except (ValueError, AttributeError, TypeError, RecursionError):
        return "changes dependencies or scripts, and cannot be read"
    return f"changes {', '.join(changed[:3])}" if changed else ""


def _changed_demands(path: str, before: bytes, after: bytes | None) -> Iterator[str]:
    """Whether a file demands something else of the product than base's does."""
    if path.endswith(_WITH_EXAMPLES) and b">>>" in before and _examples(before) - _examples(after or b""):
        yield f"changes or removes an example that is a test: {quoted(path)}"
    if path.endswith(".rs") and after is not None and _rust_tests(before) != _rust_tests(after):
        yield f"changes tests inside a source file: {quoted(path)}"


def _examples(source: bytes) -> Counter[tuple[str, str]]:
    try:
        found = doctest.DocTestParser().get_examples(source.decode("utf-8", "replace"))
    except ValueError:
        return Counter()
    return Counter((_plain(example.source), _plain(example.want)) for example in found)


def _plain(text: str) -> str:
    """Without the end of the docstring that the parser takes for output."""
    return re.split(r"\n?\s*(?:\"{3}|'{3}|```)", text, maxsplit=1)[0].strip()


def _rust_tests(source: bytes) -> str:
    """Everything from the first test module on; by convention it is at the end of the file."""
    text = source.decode("utf-8", "replace")
    found = _RUST_TESTS.search(text)
    return re.sub(r"\s+", " ", text[found.start() :]) if found else ""


def _helpers_of_tests(changed: Iterable[str], everything: Iterable[str], read: Read) -> Iterator[str]:
    """Changed Python modules that tests import and no product module does."""
    wanted = {path: PurePosixPath(path).stem for path in changed if path.endswith(".py") and not is_test_path(path)}
    wanted = {path: stem for path, stem in wanted.items() if stem not in ("__init__", "__main__")}
    by_tests: set[str] = set()
    by_product: set[str] = set()
    for path in [path for path in everything if path.endswith(".py")][:_MOST_FILES] if wanted else ():
        source = read(path) or b""
        if any(stem.encode() in source for stem in wanted.values()):
            names = {name.rpartition(".")[2] for name in imported_names(source)}
            (by_tests if is_test_path(path) else by_product).update(names)
    for path, stem in sorted(wanted.items()):
        if stem in by_tests - by_product and _JUDGES.search(read(path) or b""):
            yield f"changes a helper that only tests use: {quoted(path)}"


# --- in Python: replaced parts of the standard library, pasted commands, parameters without effect -------------------


def _in_python(path: str, before: ast.Module, after: ast.Module) -> Iterator[str]:
    """What a product file replaces, pastes together or no longer uses.

    The watch of a test run sees replaced parts only in modules that are loaded before the product.
    """
    for name in sorted({*_assigned_parts(after)} - {*_assigned_parts(before)}):
        yield f"replaces `{name}` of the standard library: {quoted(path)}"
    pasted = {*_pasted(after)} - {*_pasted(before)}
    for what in sorted({what for what, _ in pasted}):
        yield f"pastes values into {what}: {quoted(path)}"
    for name in sorted(_unused(before, after)):
        yield f"no longer uses the parameter {name}: {quoted(path)}"


def _assigned_parts(tree: ast.Module) -> Iterator[str]:
    """Dotted names of attributes of the standard library that a file assigns to or deletes."""
    known: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            known.update((each.asname or each.name.partition(".")[0], each.name) for each in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            known.update((each.asname or each.name, f"{node.module}.{each.name}") for each in node.names)
    known = {name: whole for name, whole in known.items() if whole.partition(".")[0] in sys.stdlib_module_names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load) and isinstance(node.value, ast.Name):
            holder, part = node.value.id, node.attr
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "setattr" and node.args:
            holder, part = ast.unparse(node.args[0]), "*"
        else:
            continue
        if holder in known:
            yield f"{known[holder]}.{part}"


def _pasted(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Kind and code of each command that is put together from texts and values."""
    for node in ast.walk(tree):
        if isinstance(node, ast.expr) and _SQL.match(_text_with_values(node)):
            yield "SQL", ast.unparse(node)
        elif isinstance(node, ast.Call) and node.args and _text_with_values(node.args[0]):
            is_shell = any(word.arg == "shell" and ast.unparse(word.value) != "False" for word in node.keywords)
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


def _unused(before: ast.Module, after: ast.Module) -> Iterator[str]:
    """`name of function` for parameters of functions in both versions that only the old one reads.

    What a file defines several times, as for `typing.overload`, is taken together.
    """
    old, new = _functions(before), _functions(after)
    for function in new.keys() & old.keys():
        reads_before, reads = (set().union(*map(_read_names, nodes)) for nodes in (old[function], new[function]))
        given = [node.args for node in new[function]]
        names = {each.arg for args in given for each in (*args.posonlyargs, *args.args, *args.kwonlyargs)}
        yield from (f"`{name}` of `{function}`" for name in (names & reads_before) - reads - {"self", "cls"})


def _functions(tree: ast.Module) -> dict[str, list[ast.FunctionDef | ast.AsyncFunctionDef]]:
    found: dict[str, list[ast.FunctionDef | ast.AsyncFunctionDef]] = {}
    for name, node in definitions(tree):
        if not isinstance(node, ast.ClassDef):
            found.setdefault(name, []).append(node)
    return found


def _read_names(node: ast.AST) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load)}
