"""Changes that act without being called (installs, hooks, builds, shadowing names) or alter what tests demand.

No test covers these, so each needs a person before a merge. Pure, except for `read`.
"""

import ast
import doctest
import json
import re
import sys
import tomllib
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from pathlib import PurePosixPath

from gitmimo.evaluator.python_env import imported_names, table_at
from gitmimo.evaluator.rules import read_rules
from gitmimo.files import is_test_path
from gitmimo.text import escape_controls, quoted

Read = Callable[[str], tuple[bytes | None, bytes | None]]  # path -> its content in base and in the product

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
_ENDS_PROCESS = re.compile(
    rb"\b(?:sys\.|os\._?)?(?:exit|quit|abort)\s*\(|\bSystemExit\b|\bexitCode\b|\bexcepthook\b|\bprocess\.(?:exit|on)\b|"
    rb"\bos\.(?:kill|execv?\w*)\b|\bpanic::set_hook\b|\bSystem\.exit\b"
)
# what a helper of tests has, and the product that they are about has not
_JUDGES = re.compile(rb"\bassert\b|\braise AssertionError|\bdef (?:assert|check|expect|verify)_?\w*")
_MOST_FILES = 2_000


def acting_changes(paths: Iterable[str], all_paths: Iterable[str], read: Read) -> tuple[str, ...]:
    """Say what each changed path does by being there; `all_paths` are the product's."""
    changed = sorted(set(paths))
    everything = set(all_paths)
    found = [line for path in changed for line in _of_path(path, read)]
    found += _collisions([path for path in changed if path in everything], everything)
    return tuple(dict.fromkeys(found))


def look_alike_words(line: str) -> tuple[str, ...]:
    """Words that mix Latin letters with letters of other scripts that look the same."""
    found = []
    for word in _WORD.findall(line):
        strange = {letter for letter in word if letter.isalpha() and not letter.isascii()}
        if strange and strange <= _LOOK_ALIKE and any(letter.isascii() and letter.isalpha() for letter in word):
            found.append(word)
    return tuple(found)


def _of_path(path: str, read: Read) -> Iterator[str]:
    shown = quoted(path)
    name = PurePosixPath(path).name
    directories = (f"{part}/" for part in path.split("/")[:-1])
    meaning = _ACTS.get(name) or next((_ACTS[part] for part in directories if part in _ACTS), "")
    meaning = meaning or next((text for pattern, text in _BY_PATTERN if pattern.fullmatch(name)), "")
    if not meaning and re.search(r"(?:^|/)requirements/[^/]+\.(?:txt|in)$", path):
        meaning = "changes dependencies"
    if not meaning and name in ("pyproject.toml", "Cargo.toml", "package.json", "setup.cfg"):
        meaning = _manifest_change(name, *read(path))
    if meaning:
        yield f"{meaning}: {shown}"
    parts = path.split("/")
    if any(_RESERVED.fullmatch(part) or _FORBIDDEN.search(part) or part != part.rstrip(" .") for part in parts):
        yield f"a name that other systems cannot hold: {shown}"
    if any(len(part.encode("utf-8", "surrogateescape")) > _LONGEST_NAME for part in parts):
        yield f"a name of more than {_LONGEST_NAME} bytes: {escape_controls(path[:60], newlines=False)}..."
    if look_alike_words(path):
        yield f"a name with letters that look like others: {shown}"


def _collisions(changed: Iterable[str], everything: set[str]) -> Iterator[str]:
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


def changed_demands(paths: Iterable[str], read: Read) -> tuple[str, ...]:
    """Say which changed product files demand something else of the product than base does."""
    found = []
    for path in sorted(paths):
        before, after = read(path)
        if before is None or is_test_path(path):
            continue
        shown = quoted(path)
        if path.endswith(_WITH_EXAMPLES) and b">>>" in before and _examples(before) - _examples(after or b""):
            found.append(f"changes or removes an example that is a test: {shown}")
        if path.endswith(".rs") and after is not None and _rust_tests(before) != _rust_tests(after):
            found.append(f"changes tests inside a source file: {shown}")
    return tuple(found)


def helpers_of_tests(
    changed: Iterable[str], everything: Iterable[str], read: Callable[[str], bytes | None]
) -> list[str]:
    """Changed Python modules that tests import and no product module does."""
    wanted = {path: PurePosixPath(path).stem for path in changed if path.endswith(".py") and not is_test_path(path)}
    wanted = {path: stem for path, stem in wanted.items() if stem not in ("__init__", "__main__")}
    sources = [path for path in everything if path.endswith(".py")][:_MOST_FILES]
    if not wanted:
        return []
    by_tests: set[str] = set()
    by_product: set[str] = set()
    for path in sources:
        source = read(path) or b""
        if any(stem.encode() in source for stem in wanted.values()):
            names = {name.rpartition(".")[2] for name in imported_names(source)}
            (by_tests if is_test_path(path) else by_product).update(names)
    only_tests = [path for path, stem in sorted(wanted.items()) if stem in by_tests - by_product]
    return [path for path in only_tests if _JUDGES.search(read(path) or b"")]


def replaced_parts(paths: Iterable[str], read: Read) -> tuple[str, ...]:
    """Say which parts of the standard library changed product files put something else in the place of.

    The watch of a test run sees it in modules only that are loaded before the product.
    """
    found = []
    for path in sorted(path for path in paths if path.endswith(".py") and not is_test_path(path)):
        before, after = (set(_assigned_parts(content or b"")) for content in read(path))
        found += [f"replaces `{name}` of the standard library: {quoted(path)}" for name in sorted(after - before)]
    return tuple(found)


def _assigned_parts(source: bytes) -> Iterator[str]:
    """Dotted names of attributes of the standard library that a file assigns to or deletes."""
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except (SyntaxError, ValueError, RecursionError):
        return
    known: dict[str, str] = {}
    for node in nodes:
        if isinstance(node, ast.Import):
            known.update((each.asname or each.name.partition(".")[0], each.name) for each in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            known.update((each.asname or each.name, f"{node.module}.{each.name}") for each in node.names)
    known = {name: whole for name, whole in known.items() if whole.partition(".")[0] in sys.stdlib_module_names}
    for node in nodes:
        if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load) and isinstance(node.value, ast.Name):
            holder, part = node.value.id, node.attr
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "setattr" and node.args:
            holder, part = ast.unparse(node.args[0]), "*"
        else:
            continue
        if holder in known:
            yield f"{known[holder]}.{part}"


def can_end_process(line: bytes) -> bool:
    """Whether a line of code may end a program or set its exit code."""
    return bool(_ENDS_PROCESS.search(line))


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
