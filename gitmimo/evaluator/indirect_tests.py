"""Changes of product files that change what tests demand: examples, tests inside sources, helpers of tests. Pure."""

import ast
import doctest
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import PurePosixPath

from gitmimo.evaluator.protected import is_test_file
from gitmimo.text import escape_controls

Read = Callable[[str], tuple[bytes | None, bytes | None]]  # path -> its content in base and in the product

_WITH_EXAMPLES = (".py", ".pyi", ".md", ".rst", ".txt")
_RUST_TESTS = re.compile(r"#\[cfg\(test\)\]")
_ENDS_PROCESS = re.compile(
    rb"\b(?:sys\.|os\._?)?(?:exit|quit|abort)\s*\(|\bSystemExit\b|\bexitCode\b|\bexcepthook\b|\bprocess\.(?:exit|on)\b|"
    rb"\bos\.(?:kill|execv?\w*)\b|\bpanic::set_hook\b|\bSystem\.exit\b"
)
_MOST_FILES = 2_000


def changed_demands(paths: Iterable[str], read: Read) -> tuple[str, ...]:
    """Say which changed product files demand something else of the product than base does."""
    found = []
    for path in sorted(paths):
        before, after = read(path)
        if before is None or is_test_file(path):
            continue
        shown = escape_controls(path, newlines=False)
        if path.endswith(_WITH_EXAMPLES) and b">>>" in before and _lost_examples(before, after or b""):
            found.append(f"changes or removes an example that is a test: `{shown}`")
        if path.endswith(".rs") and after is not None and _rust_tests(before) != _rust_tests(after):
            found.append(f"changes tests inside a source file: `{shown}`")
    return tuple(found)


def helpers_of_tests(
    changed: Iterable[str], everything: Iterable[str], read: Callable[[str], bytes | None]
) -> list[str]:
    """Changed Python modules that tests import and no product module does."""
    wanted = {path: PurePosixPath(path).stem for path in changed if path.endswith(".py") and not is_test_file(path)}
    wanted = {path: stem for path, stem in wanted.items() if stem not in ("__init__", "__main__")}
    sources = [path for path in everything if path.endswith(".py")][:_MOST_FILES]
    if not wanted:
        return []
    by_tests: set[str] = set()
    by_product: set[str] = set()
    for path in sources:
        names = _imported(read(path) or b"", set(wanted.values()))
        (by_tests if is_test_file(path) else by_product).update(names)
    return [path for path, stem in sorted(wanted.items()) if stem in by_tests - by_product and _judges(read(path))]


def can_end_process(line: bytes) -> bool:
    """Whether a line of code may end a program or set its exit code."""
    return bool(_ENDS_PROCESS.search(line))


def _lost_examples(before: bytes, after: bytes) -> bool:
    """Whether an example of base isn't there any more with the same expected output."""
    return bool(_examples(before) - _examples(after))


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
    """Everything from the first test module on; by convention it stands at a file's end."""
    text = source.decode("utf-8", "replace")
    found = _RUST_TESTS.search(text)
    return re.sub(r"\s+", " ", text[found.start() :]) if found else ""


def _imported(source: bytes, stems: set[str]) -> Iterator[str]:
    """Which of the modules a file imports, by their last name."""
    if not any(stem.encode() in source for stem in stems):
        return
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except (SyntaxError, ValueError, RecursionError):
        return
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ({alias.name.rpartition(".")[2] for alias in node.names} & stems)
        elif isinstance(node, ast.ImportFrom):
            yield from ({alias.name for alias in node.names} | {(node.module or "").rpartition(".")[2]}) & stems


def _judges(source: bytes | None) -> bool:
    """Whether a module looks like a helper of tests and not like the product that they are about."""
    return bool(
        source and re.search(rb"\bassert\b|\braise AssertionError|\bdef (?:assert|check|expect|verify)_?\w*", source)
    )
