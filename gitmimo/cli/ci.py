"""`git mimo ci`: test a branch again, compare the result with its note, and say it in one of five forms."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import click

from gitmimo.cli import render
from gitmimo.cli.options import complete_revisions, git_settings, settings
from gitmimo.codec import to_json
from gitmimo.errors import UsageError
from gitmimo.evidence import Outcome
from gitmimo.text import escape_controls

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gitmimo.ci import CiReport, Finding
    from gitmimo.config import Config
    from gitmimo.git.repository import Repository
    from gitmimo.ids import Oid


def as_text(report: CiReport) -> str:
    """Lines for a person. In this form and all others, text from outside is escaped."""
    lines = [f"{report.outcome}: {report.commit[:12]}, judged from base {report.base[:12]}"]
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


def as_json(report: CiReport) -> str:
    """One versioned object on one line."""
    value = {
        "schema": "git-mimo/ci/1",
        "passed": report.passed,
        "needs_person": report.needs_person,
        "note": report.note_state.value,
        "findings": to_json(report.findings),
    }
    for name in ("doubts", "behaviour", "commit", "base", "session", "differences", "recorded", "evidence"):
        value[name] = to_json(getattr(report, name))
    return json.dumps(value, ensure_ascii=True, separators=(",", ":")) + "\n"


def as_github(report: CiReport) -> str:
    """Workflow commands, which show as annotations. A message cannot smuggle in a command of its own."""
    lines = []
    for finding in report.findings:
        file = f" file={_property(finding.path)}," if finding.path else " "
        title = f"title={_property('git-mimo ' + finding.rule)}"
        lines.append(f"::{finding.level.value}{file}{title}::{_data(finding.message)}")
    lines.append(f"::notice title=git-mimo::{_data(_summary(report))}")
    return "\n".join(lines) + "\n"


def as_markdown(report: CiReport) -> str:
    """A summary for a job's page or a comment."""
    lines = [f"### git-mimo: {report.outcome}", "", _cell(_summary(report)), ""]
    if report.evidence is not None:
        lines += ["| gate | outcome | detail |", "|---|---|---|"]
        lines += [
            f"| {_cell(gate.name)} | {gate.outcome.value} | {_cell(gate.detail)} |" for gate in report.evidence.gates
        ]
    lines += ["", *(f"- **{f.level.value}** {_cell(_where(f) + f.message)}" for f in report.findings)]
    return "\n".join(lines) + "\n"


def as_junit(report: CiReport) -> str:
    """Gates as test cases, and each other error as one."""
    suite = ElementTree.Element("testsuite", name="git-mimo", errors="0")

    def add(group: str, name: str, kind: str = "", message: str = "", seconds: float = 0.0) -> None:
        facts = {"classname": f"git-mimo.{group}", "name": _line(name), "time": f"{seconds:.3f}"}
        case = ElementTree.SubElement(suite, "testcase", facts)
        if kind:
            ElementTree.SubElement(case, kind, message=_line(message))

    kinds = {Outcome.PASS: "", Outcome.SKIPPED: "skipped"}
    for gate in report.evidence.gates if report.evidence else ():
        kind = kinds.get(gate.outcome, "failure")
        add("gates", gate.name, kind, gate.detail or gate.outcome.value, gate.seconds)
    for finding in report.findings:
        if finding.level == "error" and not finding.rule.startswith("gate/"):
            add(finding.rule, finding.message, "failure", finding.message)
    for name, counted in (("tests", "testcase"), ("failures", "testcase/failure"), ("skipped", "testcase/skipped")):
        suite.set(name, str(len(suite.findall(counted))))
    suites = ElementTree.Element("testsuites")
    suites.append(suite)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


FORMATS: Mapping[str, Callable[[CiReport], str]] = {
    "text": as_text,
    "github": as_github,
    "junit": as_junit,
    "json": as_json,
    "markdown": as_markdown,
}


@click.command("ci")
@click.argument("rev", required=False, default="HEAD", shell_complete=complete_revisions)
@click.option("--base", help="Where the branch started; found by itself when left out.", metavar="REV",
              shell_complete=complete_revisions)  # fmt: skip
@click.option("--format", "form", type=click.Choice(list(FORMATS)), default="text", help="Form of stdout (text).")
@click.option("--json", "as_json", is_flag=True, help="As --format json.")
@click.option("--write", multiple=True, help="Write a further form to a file; repeatable.", metavar="FORMAT=FILE")
@click.option("--record", is_flag=True, help="Write what was found as the commit's note.")
@click.option("--require-note", is_flag=True, help="Fail when the note is missing or stale.")
@click.option("--trust-base", is_flag=True, help="Run the commands of the base's .mimo/config.yaml: for CI machines.")
@settings("test", "setup", "accept", "sandbox")
def ci_command(
    rev: str,
    base: str | None,
    form: str,
    as_json: bool,
    write: tuple[str, ...],
    record: bool,
    require_note: bool,
    trust_base: bool,
    **flags: Any,
) -> int:
    """Judge REV (HEAD) again: base plus product in a fresh tree, protected files and commands from the base.

    Then compare with the note. Exit 0: passed. 1: a gate failed, or the note is contradicted. 2: a
    session's result that a person has to decide about.
    """
    from dataclasses import replace

    from gitmimo.ci import check_commit, find_base
    from gitmimo.ci import record as record_report
    from gitmimo.git.repository import Repository
    from gitmimo.workflow.trust import require_trust

    form = "json" if as_json else form
    files = [_target(text) for text in write]
    repository = Repository.discover(Path.cwd())
    commit = repository.resolve(rev)
    start = find_base(repository, commit, base)
    config = _config_of_base(repository, start, flags)
    if not trust_base:
        require_trust(repository, config)
    report = replace(check_commit(repository, config, commit, start, observe=render.say), note_required=require_note)
    report = record_report(repository, report) if record else report
    _write(report, form, files)
    return 2 if report.needs_person else 0 if report.passed else 1


def _write(report: CiReport, form: str, files: Sequence[tuple[str, Path]]) -> None:
    """Write a report to stdout, to the files that were asked for, and to the summary that GitHub shows."""
    for name, path in files:
        path.write_text(FORMATS[name](report), encoding="utf-8")
    summary = os.environ.get("GITHUB_STEP_SUMMARY", "")
    if form == "github" and summary:
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(as_markdown(report))
    render.out_raw(FORMATS[form](report))


def _config_of_base(repository: Repository, base: Oid, flags: dict[str, object]) -> Config:
    """The configuration as the base has it: a branch does not choose how it is judged."""
    from gitmimo.config import resolve

    committed = repository.read_blob(base, ".mimo/config.yaml") or b""
    return resolve(
        flags=flags,
        environ=os.environ,
        git_config=git_settings(repository),
        committed=committed.decode("utf-8", "replace"),
    )


def _target(text: str) -> tuple[str, Path]:
    name, _, path = text.partition("=")
    if name not in FORMATS or not path:
        raise UsageError(f"not FORMAT=FILE: `{text}`", hint="git mimo ci --write junit=report.xml")
    target = Path(path)
    if target.is_dir() or not os.access(target if target.exists() else target.absolute().parent, os.W_OK):
        raise UsageError(f"cannot write `{path}`", hint=f"mkdir -p {shlex.quote(str(target.parent))}")
    return name, target


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
