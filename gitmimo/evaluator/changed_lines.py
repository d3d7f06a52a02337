"""Which changed lines of a product can be run, and which of them no test ran. Python only."""

import types
import warnings
from collections.abc import Collection, Iterator, Mapping

from gitmimo.git.diff import added_lines
from gitmimo.git.repository import Repository
from gitmimo.paths import is_test_path
from gitmimo.records import Oid

Lines = Mapping[str, frozenset[int]]
"""Line numbers by path."""

_NOT_COVERED = b"pragma: no cover"


def runnable_changes(repository: Repository, base: Oid, product: Oid) -> Lines:
    """Added lines with code on them, by path; files that can't be compiled have none."""
    added: dict[str, set[int]] = {}
    for line in added_lines(repository, base, product):
        if line.path.endswith(".py") and not is_test_path(line.path) and _NOT_COVERED not in line.text:
            added.setdefault(line.path, set()).add(line.number)
    found = {}
    for path, numbers in added.items():
        runnable = numbers & set(_lines_of_code(repository.read_blob(product, path) or b"", path))
        if runnable:
            found[path] = frozenset(runnable)
    return found


def not_run(changed: Lines, ran: Mapping[str, Collection[int]]) -> Lines:
    """The changed lines that no test ran."""
    left = {path: numbers - set(ran.get(path, ())) for path, numbers in changed.items()}
    return {path: numbers for path, numbers in left.items() if numbers}


def describe_lines(lines: Lines) -> tuple[str, ...]:
    """Each run of lines as `path:first-last`."""
    found = []
    for path, numbers in sorted(lines.items()):
        for first, last in _ranges(sorted(numbers)):
            found.append(f"{path}:{first}" if first == last else f"{path}:{first}-{last}")
    return tuple(found)


def _ranges(numbers: list[int]) -> Iterator[tuple[int, int]]:
    first = last = numbers[0]
    for number in numbers[1:]:
        if number > last + 1:
            yield first, last
            first = number
        last = number
    yield first, last


def _lines_of_code(source: bytes, path: str) -> Iterator[int]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            left = [compile(source, path, "exec", dont_inherit=True)]
    except (SyntaxError, ValueError):
        return
    while left:
        code = left.pop()
        left += [const for const in code.co_consts if isinstance(const, types.CodeType)]
        yield from (line for _, _, line in code.co_lines() if line)
