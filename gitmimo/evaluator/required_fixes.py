"""Which of the base's failing tests a product must make pass. Pure, and the same in every language.

Where tests fail on base, at least one of them must pass. The task's words only raise that demand: tests that it names
must all pass. Only the person lowers it, with commands that say what is right (`--accept`) or `--ignore-failing`.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from gitmimo.evidence import TestOutcome
from gitmimo.files import is_test_path

COLLECTION = " (collection)"
"""How the id of a test file ends that could not be imported."""

_ALL = re.compile(
    r"\bfailing tests\b|\btests? (?:that |which |is |are |currently |still )*fail(?:s|ing)?\b|\btest suite\b|"
    r"\b(?:make|get|let) (?:all |the |all the )*tests? (?:pass|green)\b|\bfix (?:all |the |all the )*tests?\b",
    re.I,
)

_REACHES = re.compile(
    rb"\b(?:subprocess|system|popen|exec\w*|eval|importlib|import_module|__import__|runpy|open|Path)\b"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequiredFixes:
    """Tests that fail on base of which a product must make one pass, or all; without any, nothing is required."""

    test_ids: tuple[str, ...] = ()
    needs_all: bool = False

    def unmet(self, cases: Mapping[str, TestOutcome]) -> str:
        """Say in what a run's results fall short; empty when they don't."""
        left = [name for name in self.test_ids if not passes(name, cases)]
        if self.needs_all and left:
            return f"{len(left)} tests that the task is about still fail: {', '.join(left[:3])}"
        if left and len(left) == len(self.test_ids):
            return (
                f"none of the tests that failed on base passes: {', '.join(left[:3])} "
                "(if the task is not about them: --ignore-failing)"
            )
        return ""

    def left(self, fixed: Iterable[str]) -> frozenset[str]:
        """The tests that the task may mean and that still fail."""
        return frozenset(self.test_ids) - set(fixed)


def find_required_fixes(
    task_text: str,
    failed_ids: Iterable[str],
    *,
    unrelated: Collection[str] = (),
    has_accept: bool = False,
    ignore_failing: bool = False,
) -> RequiredFixes:
    """Say which failing tests must pass: all that the task names or means by "failing tests", else any one.

    `unrelated` are those that no change of the project can mend: they count only where the task names them.
    """
    failed = [] if ignore_failing else sorted(failed_ids)
    named = tuple(name for name in failed if _is_named(name, task_text))
    if named:
        return RequiredFixes(test_ids=named, needs_all=True)
    related = tuple(name for name in failed if name not in unrelated)
    needs_all = bool(_ALL.search(task_text))
    return RequiredFixes(test_ids=related, needs_all=needs_all) if needs_all or not has_accept else RequiredFixes()


def unrelated_tests(
    failed_ids: Iterable[str], paths: Collection[str], read: Callable[[str], bytes | None]
) -> frozenset[str]:
    """Failing tests whose file, with each `conftest.py`, has no name of the project and reaches it in no other way.

    What needs a network or a service that isn't here fails whatever a candidate does. `paths` are the base's.
    """
    product = [path for path in paths if path.endswith(".py") and not is_test_path(path)]
    names = {part.removesuffix(".py").encode() for path in product for part in path.split("/")}
    shared = b"".join(read(path) or b"" for path in paths if path.endswith("conftest.py"))
    found = set()
    for name in failed_ids:
        file = name.partition("::")[0].removesuffix(COLLECTION)
        source = (read(file) or b"") + shared if file in paths and file.endswith(".py") else b""
        if source and not _REACHES.search(source) and not names & set(re.findall(rb"\w+", source)):
            found.add(name)
    return frozenset(found)


def ids_in_file(name: str, ids: Iterable[str]) -> list[str]:
    """The ids of tests in a file that could not be imported, named by its own id; none for the id of a test."""
    file = name.removesuffix(COLLECTION)
    return [each for each in ids if each.startswith(f"{file}::")] if file != name else []


def passes(name: str, cases: Mapping[str, TestOutcome]) -> bool:
    """Whether a test passes; a file that could not be imported does when all tests in it pass now."""
    if not name.endswith(COLLECTION):
        return cases.get(name) is TestOutcome.PASSED
    outcomes = {cases[test] for test in ids_in_file(name, cases)}
    failed = {TestOutcome.FAILED, TestOutcome.ERROR} & (outcomes | {cases.get(name, TestOutcome.PASSED)})
    return TestOutcome.PASSED in outcomes and not failed


def _is_named(test_id: str, text: str) -> bool:
    """Whether the text contains the id, its function or its file."""
    parts = re.split(r"::|\[| > ", test_id.removesuffix(COLLECTION))
    names = [test_id, parts[0], parts[0].rpartition("/")[2]] + [p for p in parts[1:] if re.match(r"[Tt]est", p)]
    return any(len(name) > 5 and re.search(rf"(?<![\w/.]){re.escape(name)}(?![\w])", text) for name in names)
