"""Results by test id, read from what a test run left behind. Whatever is not understood counts as no report."""

import json
import re
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gitmimo.evaluator.probe import Probe
from gitmimo.evaluator.required_fixes import COLLECTION
from gitmimo.evaluator.testcommand import ReportFormat
from gitmimo.evidence import TestOutcome

ENDED_EARLY = "the test run ended before it could report"
_MOST_BYTES = 128 << 20
_SKIPS = ("Skipped", "XFailed", "Exit", "SkipTest")


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What a Python run was seen to do apart from its tests; see `probes/watch.py`.

    `tampered` is changed test machinery, `doubtful` changed parts of the standard library and the process. `outside`
    and `inside` are top-level modules loaded from elsewhere and from the tree. `reads` maps files of the tree that were
    read to the file of the tree whose code read them, or nothing.
    """

    tampered: frozenset[str] = frozenset()
    doubtful: frozenset[str] = frozenset()
    outside: frozenset[str] = frozenset()
    inside: frozenset[str] = frozenset()
    reads: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportContent:
    """What one report says. `found` is False where nothing usable was there."""

    found: bool = False
    cases: dict[str, TestOutcome] = field(default_factory=dict)
    problem: str = ""  # what shows that the report can't be trusted
    imported: bool = False  # whether the tests imported any of the project's packages
    imported_elsewhere: tuple[str, ...] = ()  # those that came from outside the tree, and from where
    import_errors: tuple[tuple[str, str], ...] = ()  # test file or module that could not be imported, and why
    points_seen: Mapping[str, frozenset[str]] | None = None  # by path, of those asked for; None: not known
    output: str = ""  # where the run's output went into the report
    watched: Watched = Watched()


def read_report(probe: Probe, form: ReportFormat) -> ReportContent:
    """Read the report of one finished run."""
    if form is ReportFormat.PYTEST:
        return _read_lines(probe)
    try:
        return _read_other(probe, form)
    except (ValueError, KeyError, TypeError, AttributeError, ElementTree.ParseError):
        return ReportContent(problem="the report cannot be read")


def _read_other(probe: Probe, form: ReportFormat) -> ReportContent:
    if form is ReportFormat.SUREFIRE:
        files = _surefire_files(probe.report)
        return _numbered([case for path in files for case in _junit_cases(path.read_bytes())], found=bool(files))
    data = _read(probe.report)
    if not data:
        return ReportContent()
    if form is ReportFormat.NODE_JUNIT:
        return _numbered(_junit_cases(data))
    if form in (ReportFormat.JEST_JSON, ReportFormat.VITEST_JSON):
        return _numbered(_jest_cases(data, probe.tree))
    return _go_content(data) if form is ReportFormat.GO_JSON else _cargo_content(data)


def clear_stale_reports(tree: Path) -> None:
    """Remove report files that came with the tree, before a run that writes its reports inside it."""
    for path in _surefire_files(tree):
        path.unlink()


def _read(path: Path) -> bytes:
    """The file, if it is one, of sane size and not behind a symlink."""
    if path.is_symlink() or not path.is_file() or path.stat().st_size > _MOST_BYTES:
        return b""
    return path.read_bytes()


def _numbered(found_cases: Iterable[tuple[str, TestOutcome]], *, found: bool = True) -> ReportContent:
    """One content. Equal ids get a number, failed ones first, so that none gets lost and none hides behind another."""
    by_id: dict[str, list[TestOutcome]] = {}
    for name, outcome in found_cases:
        by_id.setdefault(name, []).append(outcome)
    cases = {}
    for name, outcomes in by_id.items():
        for number, outcome in enumerate(sorted(outcomes, key=_RANK.index, reverse=True)):
            cases[name if number == 0 else f"{name} #{number + 1}"] = outcome
    return ReportContent(found=found, cases=cases)


_RANK = [TestOutcome.PASSED, TestOutcome.SKIPPED, TestOutcome.FAILED, TestOutcome.ERROR]


# --- our own lines (pytest) --------------------------------------------------------------------------------------


def _read_lines(probe: Probe) -> ReportContent:
    records: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for record in _own_records(_read(probe.report), probe.nonce):
        records[record["kind"]].append(record)
    if not records["start"] or len(records["start"]) != len(records["end"]):
        return ReportContent(problem=ENDED_EARLY if records["start"] else "")
    cases: dict[str, TestOutcome] = {}
    for record in records["phase"]:
        _add_phase(cases, record)
    import_errors = {str(record.get("id", "")): str(record.get("error", "")) for record in records["collect"]}
    cases |= {f"{name}{COLLECTION}": TestOutcome.ERROR for name in import_errors}
    planted = {name: outcome for name, outcome in cases.items() if _short(name) in (probe.must_pass, probe.must_fail)}
    return ReportContent(
        found=True,
        cases={name: outcome for name, outcome in cases.items() if name not in planted},
        problem=_planted_problem(probe, planted, import_errors) or _rewritten(cases, records),
        imported=bool(records["origin"]),
        imported_elsewhere=_imported_elsewhere(records["origin"], probe.tree),
        import_errors=tuple(sorted(import_errors.items())),
        points_seen=_points_seen(records["points"], probe.tree),
        watched=_watched(records),
    )


def _imported_elsewhere(records: Iterable[dict[str, Any]], tree: Path) -> tuple[str, ...]:
    origins = {(str(record["id"]), str(record.get("file", ""))) for record in records}
    outside = [each for each in origins if each[1] and not Path(each[1]).resolve().is_relative_to(tree.resolve())]
    return tuple(sorted(f"`{name}` from `{file}`" for name, file in outside))


def _points_seen(records: Iterable[dict[str, Any]], tree: Path) -> dict[str, frozenset[str]] | None:
    """What all processes of the run say together."""
    found: dict[str, frozenset[str]] = {}
    parts = [record["noted"] for record in records if isinstance(record.get("noted"), dict)]
    for file, points in (item for noted in parts for item in noted.items()):
        name = file.removeprefix(f"{tree.resolve()}/")
        found[name] = found.get(name, frozenset()) | frozenset(points)
    return found if parts else None


def _watched(records: Mapping[str, list[dict[str, Any]]]) -> Watched:
    def all_of(key: str) -> frozenset[str]:
        return frozenset(str(value) for kind in records.values() for record in kind for value in record.get(key, ()))

    reads = {str(file): str(by) for record in records["reads"] for file, by in record["files"]}
    names = ("tampered", "doubtful", "outside", "inside")
    return Watched(reads=reads, **{name: all_of(name) for name in names})


def _own_records(data: bytes, nonce: str) -> Iterator[dict[str, Any]]:
    for line in data.splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and record.get("nonce") == nonce and isinstance(record.get("kind"), str):
            yield record


def _add_phase(cases: dict[str, TestOutcome], record: dict[str, Any]) -> None:
    """Fold one phase into a test's outcome: the worst phase decides."""
    name, outcome, is_call = str(record["id"]), record.get("outcome"), record.get("when") == "call"
    if outcome == "rerun" or (outcome == "passed" and not is_call):
        return
    words = {"passed": TestOutcome.PASSED, "skipped": TestOutcome.SKIPPED}
    now = TestOutcome.FAILED if outcome == "failed" and is_call else words.get(str(outcome), TestOutcome.ERROR)
    cases[name] = max(cases.get(name, now), now, key=_RANK.index)


def _planted_problem(probe: Probe, planted: dict[str, TestOutcome], import_errors: dict[str, str]) -> str:
    outcomes = {_short(name): outcome for name, outcome in planted.items()}
    if probe.must_fail not in outcomes or probe.must_pass not in outcomes:
        for file, error in import_errors.items():
            return f"the run stopped because `{file}` cannot be imported: {error}"
        return "our control tests, which show that results can be trusted, did not run"
    if outcomes[probe.must_fail] is not TestOutcome.FAILED:
        return "a planted test that must fail did not fail: results are tampered with"
    if outcomes[probe.must_pass] is not TestOutcome.PASSED:
        return "a planted test that must pass did not pass"
    return ""


def _rewritten(cases: Mapping[str, TestOutcome], records: Mapping[str, list[dict[str, Any]]]) -> str:
    """Tests that are said to have passed although what they raised says otherwise."""
    expected = {str(record.get("id")) for record in records["phase"] if record.get("xfail")}
    raised = {str(record.get("id", "")): str(record.get("raised", "")) for record in records["raw"]}
    failed = {name for name, error in raised.items() if error and error not in _SKIPS} - expected
    wrong = sorted(name for name in failed if cases.get(name) is TestOutcome.PASSED)
    return f"reported as passed although they raised: {', '.join(wrong[:5])}" if wrong else ""


def _short(name: str) -> str:
    return name.rpartition("::")[2]


# --- other formats ---------------------------------------------------------------------------------------------------


_JUNIT_TAGS = {"error": TestOutcome.ERROR, "failure": TestOutcome.FAILED, "skipped": TestOutcome.SKIPPED}


def _junit_cases(data: bytes) -> list[tuple[str, TestOutcome]]:
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data or len(data) > _MOST_BYTES:
        raise ValueError("no report of a test runner")
    return list(_junit_walk(ElementTree.fromstring(data), ()))


def _junit_walk(node: ElementTree.Element, path: tuple[str, ...]) -> Iterator[tuple[str, TestOutcome]]:
    for child in node:
        if child.tag == "testsuite":
            yield from _junit_walk(child, (*path, child.get("name", "")))
        elif child.tag == "testcase":
            name = " > ".join(part for part in (*path, child.get("name", "")) if part)
            tags = {part.tag for part in child}
            outcome = next((_JUNIT_TAGS[tag] for tag in _JUNIT_TAGS if tag in tags), TestOutcome.PASSED)
            where = child.get("file") or child.get("classname") or ""
            yield f"{where}::{name}", outcome


def _surefire_files(tree: Path) -> list[Path]:
    patterns = ("**/target/surefire-reports/*.xml", "**/target/failsafe-reports/*.xml", "**/build/test-results/*/*.xml")
    found = [path for pattern in patterns for path in tree.glob(pattern)]
    return sorted(path for path in found if not path.is_symlink() and path.is_file())


def _jest_cases(data: bytes, tree: Path) -> list[tuple[str, TestOutcome]]:
    words = {"passed": TestOutcome.PASSED, "failed": TestOutcome.FAILED}
    found = []
    for suite in json.loads(data)["testResults"]:
        file = str(suite["name"]).removeprefix(f"{tree}/")
        if not suite["assertionResults"] and suite.get("status") == "failed":
            found.append((f"{file}{COLLECTION}", TestOutcome.ERROR))
        found += [
            (f"{file}::{case['fullName'].strip()}", words.get(case["status"], TestOutcome.SKIPPED))
            for case in suite["assertionResults"]
        ]
    return found


def _go_content(data: bytes) -> ReportContent:
    """`go test -json`: one event a line; output events put together give the text."""
    words = {"pass": TestOutcome.PASSED, "fail": TestOutcome.FAILED, "skip": TestOutcome.SKIPPED}
    cases: dict[str, TestOutcome] = {}
    texts: list[str] = []
    packages: dict[str, str] = {}
    for line in data.decode("utf-8", "replace").splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            texts.append(line + "\n")
            continue
        if not isinstance(event, dict):
            continue
        texts.append(str(event.get("Output", "")))
        package, action = str(event.get("Package", "")), str(event.get("Action", ""))
        if action not in words:
            continue
        if event.get("Test"):
            cases[f"{package}::{event['Test']}"] = words[action]
        else:
            packages[package] = action
    for package, action in packages.items():
        own = [outcome for name, outcome in cases.items() if name.startswith(f"{package}::")]
        if action == "fail" and TestOutcome.FAILED not in own:
            cases[f"{package} (package)"] = TestOutcome.ERROR
    return ReportContent(found=bool(packages), cases=cases, output="".join(texts))


_CARGO_HEADER = re.compile(r"^\s+(?:Running (?:unittests )?(?P<file>\S+)|Doc-tests (?P<doc>\S+))")
_CARGO_CASE = re.compile(r"^test (?P<name>.+?)(?: - should panic)? \.\.\. (?P<word>ok|FAILED|ignored)")
_CARGO_SUM = re.compile(r"^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored")


def _cargo_content(data: bytes) -> ReportContent:
    """Libtest's text. A binary whose lines don't add up to its own sum makes the report unusable."""
    words = {"ok": TestOutcome.PASSED, "FAILED": TestOutcome.FAILED, "ignored": TestOutcome.SKIPPED}
    text = data.decode("utf-8", "replace")
    cases: dict[str, TestOutcome] = {}
    binary, sums = "", 0
    counted = dict.fromkeys(words, 0)
    for line in text.splitlines():
        if header := _CARGO_HEADER.match(line):
            binary = header["file"] or f"doc {header['doc']}"
            counted = dict.fromkeys(words, 0)
        elif case := _CARGO_CASE.match(line):
            counted[case["word"]] += 1
            cases[f"{binary}::{re.sub(r' [(]line [0-9]+[)]', '', case['name'])}"] = words[case["word"]]
        elif total := _CARGO_SUM.match(line):
            sums += 1
            if [int(part) for part in total.groups()] != [counted["ok"], counted["FAILED"], counted["ignored"]]:
                return ReportContent(problem="the lines of the test output do not add up", output=text)
    return ReportContent(found=sums > 0, cases=cases, output=text)
