"""Gate 1: what a product must be before anything of it is run; and which changed lines of Python tests can run."""

import types
import warnings
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

from gitmimo.errors import CheckError
from gitmimo.evaluator.indirect_changes import acting_changes, changed_demands, helpers_of_tests, replaced_parts
from gitmimo.evaluator.review_flags import REVIEW
from gitmimo.evidence import DiffFacts
from gitmimo.git.diff import added_lines, diff_facts
from gitmimo.git.objects import GITLINK, LINK
from gitmimo.git.repository import Repository
from gitmimo.git.tree_checks import find_tree_problems
from gitmimo.git.trees import diff_entries
from gitmimo.paths import is_test_path
from gitmimo.records import Oid
from gitmimo.redact import find_secrets
from gitmimo.text import quoted

_MOST_FILE_BYTES = 10 << 20
_MOST_BYTES = 40 << 20
_MOST_FILES = 5_000

Lines = Mapping[str, frozenset[int]]
"""Line numbers by path."""

_NOT_COVERED = b"pragma: no cover"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductFindings:
    """What is wrong with a product; empty problems mean that it may be tested."""

    diff: DiffFacts
    problems: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()


def inspect_product(
    repository: Repository, base: Oid, product: Oid, *, known_secrets: Mapping[str, str] | None = None
) -> ProductFindings:
    """Look at every changed path and file: emptiness, escapes, conflicts, secrets, size.

    Reads git objects only; runs nothing. A scanner that fails is a problem, not a pass.
    """
    diff = diff_facts(repository, base, product)
    changed = list(diff_entries(repository, repository.tree_of(product), repository.tree_of(base)))
    problems: list[str] = []
    flags: list[str] = []
    if not diff.files:
        problems.append("it changes nothing")
    if len(diff.files) > _MOST_FILES:
        problems.append(f"it changes {len(diff.files)} files, more than {_MOST_FILES}")
    problems += find_tree_problems(repository, base, product, max_file_bytes=_MOST_FILE_BYTES)
    total = 0
    for entry in changed:
        if entry.mode in (GITLINK, LINK):
            continue
        data = repository.read_object(entry.oid)
        total += len(data)
        shown = quoted(entry.path)
        if len(data) > _MOST_FILE_BYTES:
            continue  # a problem already
        problems += _secrets(shown, data, repository.read_blob(base, entry.path), known_secrets or {}, flags)
    if total > _MOST_BYTES:
        problems.append(f"the changed files have {total} bytes together, more than {_MOST_BYTES}")
    flags += [f"{REVIEW}{line}" for line in _indirect_changes(repository, base, product, diff)]
    return ProductFindings(diff=diff, problems=tuple(problems), flags=tuple(flags))


def _indirect_changes(repository: Repository, base: Oid, product: Oid, diff: DiffFacts) -> Iterator[str]:
    changed = {change.path for change in diff.files} | {change.old_path for change in diff.files if change.old_path}
    everything = [entry.path for entry in repository.list_paths(product)]

    def read(path: str) -> tuple[bytes | None, bytes | None]:
        return repository.read_blob(base, path), repository.read_blob(product, path)

    yield from acting_changes(changed, everything, read)
    yield from changed_demands(changed, read)
    yield from replaced_parts(changed, read)
    for path in helpers_of_tests(changed, everything, lambda path: repository.read_blob(base, path)):
        yield f"changes a helper that only tests use: {quoted(path)}"


def _secrets(
    shown: str, data: bytes, before: bytes | None, known: Mapping[str, str], flags: list[str]
) -> Iterator[str]:
    """Secrets that the base's file doesn't hold already. What only looks like one is flagged for a person."""
    text, old = data.decode("utf-8", "replace"), (before or b"").decode("utf-8", "replace")
    try:
        found = find_secrets(data, known)
    except CheckError as error:
        yield f"the scan for secrets failed: {error.message}: {shown}"
        return
    for finding in found:
        if text[finding.start : finding.end] in old:
            continue
        where = f"{finding.rule} in line {finding.line}: {shown}"
        if finding.certain:
            yield f"a secret: {where}"
        else:
            flags.append(f"{REVIEW}may be a secret: {where}")


# --- lines that tests can run -----------------------------------------------------------------------------------------


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
        for _, run in groupby(enumerate(sorted(numbers)), key=lambda each: each[1] - each[0]):
            first, *rest = [number for _, number in run]
            found.append(f"{path}:{first}-{rest[-1]}" if rest else f"{path}:{first}")
    return tuple(found)


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
