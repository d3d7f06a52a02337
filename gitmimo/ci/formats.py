"""CI reports as text, JSON, Markdown, GitHub's commands and JUnit's XML. Outside text is escaped."""

import json
from collections.abc import Callable, Mapping
from xml.sax.saxutils import escape, quoteattr

from gitmimo.ci.check import CiReport, Finding, Level
from gitmimo.codec import to_json
from gitmimo.evidence import Outcome
from gitmimo.text import escape_controls


def as_text(report: CiReport) -> str:
    """Lines for a person."""
    lines = [f"{verdict_word(report)}: {report.commit[:12]}, judged from base {report.base[:12]}"]
    evidence = report.evidence
    if evidence is not None:
        lines += [
            f"  {gate.outcome.value:8} {gate.name}" + (f": {_line(gate.detail)}" if gate.detail else "")
            for gate in evidence.gates
        ]
        lines.append(f"  tests: {evidence.tests_passed}/{evidence.tests_run} passed, {len(evidence.fixed_ids)} fixed")
    lines.append(f"  note: {report.note_state.value}" + (" (recorded now)" if report.recorded else ""))
    lines += [f"  {finding.level.value}: {_where(finding)}{_line(finding.message)}" for finding in report.findings]
    return "\n".join(lines) + "\n"


def verdict_word(report: CiReport) -> str:
    """The outcome in the words of `start`."""
    return "needs a person" if report.needs_person else "passed" if report.passed else "failed"


def as_json(report: CiReport) -> str:
    """One versioned object on one line."""
    value = {
        "schema": "git-mimo/ci/1",
        "passed": report.passed,
        "needs_person": report.needs_person,
        "doubts": list(report.doubts),
        "behaviour": to_json(report.behaviour),
        "commit": report.commit,
        "base": report.base,
        "session": report.session,
        "note": report.note_state.value,
        "differences": list(report.differences),
        "recorded": report.recorded,
        "findings": [to_json(finding) for finding in report.findings],
        "evidence": to_json(report.evidence),
    }
    return json.dumps(value, ensure_ascii=True, separators=(",", ":")) + "\n"


def as_github(report: CiReport) -> str:
    """Workflow commands, which show as annotations. A message cannot smuggle in a command of its own."""
    lines = []
    for finding in report.findings:
        file = f" file={_property(finding.path)}," if finding.path else " "
        title = f"title={_property('git-mimo ' + finding.rule)}"
        lines.append(f"::{finding.level.value}{file}{title}::{_data(finding.message)}")
    lines += [f"::notice title=git-mimo::{_data(_summary(report))}"]
    return "\n".join(lines) + "\n"


def as_markdown(report: CiReport) -> str:
    """A summary for a job's page or a comment."""
    lines = [f"### git-mimo: {verdict_word(report)}", "", _cell(_summary(report)), ""]
    if report.evidence is not None:
        lines += ["| gate | outcome | detail |", "|---|---|---|"]
        lines += [
            f"| {_cell(gate.name)} | {gate.outcome.value} | {_cell(gate.detail)} |" for gate in report.evidence.gates
        ]
    lines += ["", *(f"- **{f.level.value}** {_cell(_where(f) + f.message)}" for f in report.findings)]
    return "\n".join(lines) + "\n"


def as_junit(report: CiReport) -> str:
    """Gates as test cases, and each broken test as one."""
    cases = []
    failures = skipped = 0
    for gate in report.evidence.gates if report.evidence else ():
        inner = ""
        if gate.outcome is Outcome.SKIPPED:
            skipped += 1
            inner = f"<skipped message={_attribute(gate.detail)}/>"
        elif gate.outcome is not Outcome.PASS:
            failures += 1
            inner = f"<failure message={_attribute(gate.detail or gate.outcome.value)}/>"
        cases.append(_case("gates", gate.name, inner, seconds=gate.seconds))
    for finding in report.findings:
        if finding.level is Level.ERROR and not finding.rule.startswith("gate/"):
            failures += 1
            cases.append(_case(finding.rule, finding.message, f"<failure message={_attribute(finding.message)}/>"))
    head = f'name="git-mimo" tests="{len(cases)}" failures="{failures}" errors="0" skipped="{skipped}"'
    suite = f"<testsuite {head}>{''.join(cases)}</testsuite>"
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>{suite}</testsuites>\n'


FORMATS: Mapping[str, Callable[[CiReport], str]] = {
    "text": as_text,
    "github": as_github,
    "junit": as_junit,
    "json": as_json,
    "markdown": as_markdown,
}


def _summary(report: CiReport) -> str:
    tests = f", tests {report.evidence.tests_passed}/{report.evidence.tests_run}" if report.evidence else ""
    return f"{'passed' if report.passed else 'failed'}{tests}, note {report.note_state.value}"


def _line(text: str) -> str:
    return " ".join(escape_controls(text).split())


def _where(finding: Finding) -> str:
    return f"{escape_controls(finding.path, newlines=False)}: " if finding.path else ""


def _data(text: str) -> str:
    return _line(text).replace("%", "%25")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _cell(text: str) -> str:
    shown = escape(_line(text))
    for mark in "\\`*_[]|~@":
        shown = shown.replace(mark, f"\\{mark}" if mark != "@" else "&#64;")
    return shown


def _attribute(text: str) -> str:
    return quoteattr(_line(text))


def _case(group: str, name: str, inner: str, *, seconds: float = 0.0) -> str:
    head = f'classname={_attribute("git-mimo." + group)} name={_attribute(name)} time="{seconds:.3f}"'
    return f"<testcase {head}>{inner}</testcase>"
