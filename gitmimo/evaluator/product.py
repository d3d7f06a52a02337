"""Gate 1: what a product must be before anything of it is run."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gitmimo.errors import CheckError
from gitmimo.evaluator.indirect_changes import acting_changes, changed_demands, helpers_of_tests
from gitmimo.evaluator.review_flags import REVIEW
from gitmimo.evidence import DiffFacts
from gitmimo.git.diff import diff_facts
from gitmimo.git.objects import GITLINK, LINK
from gitmimo.git.repository import Repository
from gitmimo.git.tree_checks import find_tree_problems
from gitmimo.git.trees import diff_entries
from gitmimo.records import Oid
from gitmimo.redact import find_secrets
from gitmimo.text import escape_controls

_MOST_FILE_BYTES = 10 << 20
_MOST_BYTES = 40 << 20
_MOST_FILES = 5_000


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
        shown = escape_controls(entry.path, newlines=False)
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
    for path in helpers_of_tests(changed, everything, lambda path: repository.read_blob(base, path)):
        yield f"changes a helper that only tests use: `{escape_controls(path, newlines=False)}`"


def _secrets(
    shown: str, data: bytes, before: bytes | None, known: Mapping[str, str], flags: list[str]
) -> Iterator[str]:
    """Secrets that the base's file doesn't hold already. What only looks like one is flagged for a person."""
    text, old = data.decode("utf-8", "replace"), (before or b"").decode("utf-8", "replace")
    try:
        found = find_secrets(data, known)
    except CheckError as error:
        yield f"the scan for secrets failed: {error.message}: `{shown}`"
        return
    for finding in found:
        if text[finding.start : finding.end] in old:
            continue
        where = f"{finding.rule} in line {finding.line}: `{shown}`"
        if finding.certain:
            yield f"a secret: {where}"
        else:
            flags.append(f"{REVIEW}may be a secret: {where}")
