"""Instrumenting a test run: files outside the tree that make every result come back by test id."""

import json
import re
import secrets
import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gitmimo.evaluator.python_env import Layout
from gitmimo.evaluator.testcommand import ReportFormat, TestCommand

_PLANTED = """\
def {must_pass}():
    assert 1 + 1 == 2


def {must_fail}():
    assert 1 + 1 == 3
"""


def probe_path(name: str) -> Path:
    """A file of `probes/`. The project's Python runs them, without git-mimo's packages."""
    return Path(__file__).parent / "probes" / name


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One instrumented run: what to start, with what, and where the report will be."""

    command: str | tuple[str, ...]
    tree: Path
    report: Path  # a file, or a directory of files
    writable: tuple[Path, ...] = ()
    readable: tuple[Path, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    nonce: str = ""
    must_pass: str = ""
    must_fail: str = ""


def make_probe(
    tests: TestCommand,
    *,
    tree: Path,
    directory: Path,
    layout: Layout,
    only: Collection[str] = (),
    points: Mapping[str, Collection[str]] | None = None,
) -> Probe:
    """Write what the run needs below `directory` and say how to start it.

    The names of report and planted tests are random, new for every run. With `only` pytest runs no other tests.
    `points` are lines and outcomes in the tree's files of which pytest is to say whether they were there.
    """
    out = directory / f"out-{secrets.token_hex(6)}"
    out.mkdir(parents=True)
    env = {"PYTHONDONTWRITEBYTECODE": "1", "CI": "1", "GOCACHE": str(out / "go-cache")}
    if tests.report is ReportFormat.PYTEST:
        wanted = {
            "tree": str(tree),
            "report": str(out / "report"),
            "roots": [str(tree / root) for root in layout.roots],
            "packages": layout.packages,
            "only": sorted(only),
            "points": {str(tree.resolve() / path): sorted(of_path) for path, of_path in (points or {}).items()},
        }
        found = _pytest_probe(tests, tree, directory, wanted)
        return replace(found, writable=(out,), env={**env, **found.env})
    if tests.report is ReportFormat.CARGO_TEXT:
        env["CARGO_TERM_COLOR"] = "never"
    report = out / "report"
    command = _reporting_command(tests, report)
    where = tree if tests.report is ReportFormat.SUREFIRE else report
    return Probe(command=command, tree=tree, report=where, writable=(out,), env=env)


def _reporting_command(tests: TestCommand, report: Path) -> str | tuple[str, ...]:
    """The test command, made to write its results to `report` in the tests' format."""
    shown = tests.command if isinstance(tests.command, str) else shlex.join(tests.command)
    quoted = shlex.quote(str(report))
    if tests.report is ReportFormat.NODE_JUNIT:
        options = "--test-reporter=spec --test-reporter-destination=stdout --test-reporter=junit"
        options += f" --test-reporter-destination={quoted}"
        return re.sub(r"\bnode\s+(.*?)--test(?![-\w])", lambda m: f"node {m[1]}--test {options}", shown, count=1)
    if tests.report is ReportFormat.JEST_JSON:
        return f"{shown} --json --outputFile={quoted}"
    if tests.report is ReportFormat.VITEST_JSON:
        return f"{shown} --reporter=default --reporter=json --outputFile.json={quoted}"
    if tests.report is ReportFormat.GO_JSON:
        events = re.sub(r"(?<![-/\w])go test(?!\s+-json)", "go test -json", shown)
        return f"{{ {events}\n}} > {quoted}"
    if tests.report is ReportFormat.CARGO_TEXT:
        return f"{{ {shown}\n}} > {quoted} 2>&1"
    return tests.command


def _pytest_probe(tests: TestCommand, tree: Path, directory: Path, wanted: Mapping[str, Any]) -> Probe:
    """The probe of pytest, with its settings and planted tests beside it, all under random names."""
    token = secrets.token_hex(6)
    home = directory / f"probe-{token}"
    planted = home / f"planted_{token}" / f"test_{secrets.token_hex(5)}.py"
    planted.parent.mkdir(parents=True)
    must_pass, must_fail, nonce = f"test_{secrets.token_hex(5)}", f"test_{secrets.token_hex(5)}", secrets.token_hex(16)
    planted.write_text(_PLANTED.format(must_pass=must_pass, must_fail=must_fail), encoding="utf-8")
    probes = {"guard": "hang_guard", "watch": "watch", "changed": "changed_code", "probe": "pytest_probe"}
    names = {name: f"{name}_{token}" for name in probes}
    for name, source in probes.items():
        (home / f"{names[name]}.py").write_bytes(probe_path(f"{source}.py").read_bytes())
    settings = {**wanted, **names, "planted": str(planted), "must_pass": must_pass, "must_fail": must_fail}
    (home / f"{names['probe']}.json").write_text(json.dumps({**settings, "nonce": nonce}), encoding="utf-8")
    env = {"PYTHONPATH": str(home), **({"PYTHONSAFEPATH": "1"} if _only_runs_tests(tests) else {})}
    plugins = [part for name in (names["probe"], names["guard"], "no:cacheprovider") for part in ("-p", name)]
    env["PYTEST_ADDOPTS"] = shlex.join([*plugins, f"--rootdir={tree}", f"--confcutdir={tree}"])
    return Probe(
        command=keep_import_path(tests.command, home),
        tree=tree,
        report=Path(wanted["report"]),
        readable=(home,),
        env=env,
        nonce=nonce,
        must_pass=must_pass,
        must_fail=must_fail,
    )


def keep_import_path(command: str | tuple[str, ...], home: Path) -> str | tuple[str, ...]:
    """A command whose own PYTHONPATH, where it sets one, begins with `home`; a list of words sets none."""
    if not isinstance(command, str):
        return command
    return re.sub(
        r"(?<!\w)PYTHONPATH=(\"?)(?=(\S?))",
        lambda match: f"PYTHONPATH={match[1]}{home}{'' if match[2] in ('', ';', '&', chr(34)) else ':'}",
        command,
    )


def _only_runs_tests(tests: TestCommand) -> bool:
    """Whether every Python that the command starts is pytest, which needs no import from its own directory."""
    if not isinstance(tests.command, str):
        return tests.is_pytest  # made by detection
    return tests.is_pytest and not re.search(r"(?:^|[\s/])python[0-9.]*\s+(?!-m\s+pytest\b)", tests.command)
