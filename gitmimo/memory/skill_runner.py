#!/usr/bin/env python3
"""Carry out a skill's procedure without any model: `assets/procedure.json`, by the standard library alone.

This file is shipped in every runnable skill as `scripts/run.py` and is used inside git-mimo as a module. It edits
files by their content and runs programs by argument lists, never through a shell. Alone it does not confine the
programs that it runs, and puts back only what it wrote itself when something fails.

Exit codes: 0 done, 2 bad parameters, 3 a precondition is unmet, 4 a step failed, 5 a postcondition failed.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

SCHEMA = "git-mimo/procedure/1"
BAD_PARAMETERS, UNMET, STEP_FAILED, POSTCONDITION_FAILED = 2, 3, 4, 5
FORMS = ("plain", "snake", "kebab", "camel", "pascal", "upper", "title", "words")
Runner = Callable[[Sequence[str], Path, float], tuple[int, str]]
"""Runs a program: arguments, directory, limit in seconds; gives exit code and output."""

_SLOT = re.compile(r"\{\{mimo:([a-z][a-z0-9_]{0,39})(?:\|([a-z]+))?\}\}")
_SHOWN = 2_000
_MOST_BYTES = 8_000_000
_SKIPPED = {".git", ".mimo", "node_modules", ".venv", "__pycache__", ".tox"}


class Refused(Exception):
    """The procedure can't go on; `code` is the exit code that says why."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


# --- parameters ------------------------------------------------------------------------------------------------------


def bind(procedure: Mapping[str, Any], given: Mapping[str, Any], root: Path | None = None) -> dict[str, str]:
    """Check parameters against their schema, and fill in defaults and what the project says. Refused (2) if wrong.

    Without a `root` parameters that would be read from the project stay out. Refused (3) when one isn't found there.
    """
    schema = procedure["parameters"]
    known = schema.get("properties", {})
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise Refused(BAD_PARAMETERS, f"unknown parameter: {unknown[0]}")
    values: dict[str, str] = {}
    for name, rule in known.items():
        if name in given:
            values[name] = _checked(name, rule, given[name])
        elif "probe" in rule:
            if root is not None:
                values[name] = _probed(name, rule, Files(root))
        elif "default" in rule:
            values[name] = str(rule["default"])
        else:
            raise Refused(BAD_PARAMETERS, f"missing parameter: {name}")
    return values


def _checked(name: str, rule: Mapping[str, Any], value: Any) -> str:
    text = str(value)
    if rule["type"] == "integer":
        if not re.fullmatch(r"-?\d{1,18}", text):
            raise Refused(BAD_PARAMETERS, f"parameter {name} must be a whole number")
        if not rule.get("minimum", -(10**18)) <= int(text) <= rule.get("maximum", 10**18):
            raise Refused(BAD_PARAMETERS, f"parameter {name} is out of bounds")
        return text
    if len(text) > rule.get("maxLength", 200) or len(text) < rule.get("minLength", 1):
        raise Refused(BAD_PARAMETERS, f"parameter {name} is too long or too short")
    if any(ord(character) < 32 or ord(character) == 127 for character in text):
        raise Refused(BAD_PARAMETERS, f"parameter {name} holds control characters")
    if "enum" in rule and text not in rule["enum"]:
        raise Refused(BAD_PARAMETERS, f"parameter {name} must be one of {', '.join(rule['enum'])}")
    if "pattern" in rule and not re.fullmatch(rule["pattern"], text):
        raise Refused(BAD_PARAMETERS, f"parameter {name} does not match {rule['pattern']}")
    return text


def _probed(name: str, rule: Mapping[str, Any], files: "Files") -> str:
    """Read a value from where it stands in the project."""
    probe = rule["probe"]
    text = files.text(probe["path"]) or ""
    _, found, rest = text.partition(probe["before"])
    value, ended, _ = rest.partition(probe["after"])
    if not found or not ended or text.count(probe["before"]) != 1:
        raise Refused(UNMET, f"{probe['path']} does not say what {name} is")
    try:
        return _checked(name, rule, value)
    except Refused as exc:
        raise Refused(UNMET, f"{probe['path']} says something else than {name}") from exc


def fill(text: str, values: Mapping[str, str]) -> str:
    """Put parameters into a text's slots, in the spelling that each slot asks for."""

    def replaced(match: re.Match[str]) -> str:
        return spell(values[match[1]], match[2] or "plain")

    return _SLOT.sub(replaced, text)


def spell(value: str, form: str) -> str:
    """Write a name as snake_case, kebab-case, camelCase, PascalCase, UPPER_CASE, Title Case or plain words."""
    if form == "plain":
        return value
    words = [word.lower() for word in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z0-9]+(?![a-z])", value)]
    if form in ("snake", "upper"):
        return "_".join(words).upper() if form == "upper" else "_".join(words)
    if form == "kebab":
        return "-".join(words)
    if form in ("title", "words"):
        return " ".join(word.capitalize() if form == "title" else word for word in words)
    joined = "".join(word.capitalize() for word in words)
    return joined if form == "pascal" else joined[:1].lower() + joined[1:]


# --- files -----------------------------------------------------------------------------------------------------------


class Files:
    """The only way to the files below a root: no path leads outside, no link is followed, own changes can be undone."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.before: dict[str, bytes | None] = {}

    def place(self, path: str) -> Path:
        """Return where a path lies. Refused (4) when it leads outside, into `.git`, or through a link."""
        parts = path.split("/")
        wrong = any(part in ("", ".", "..") or part.lower().rstrip(". ") in (".git", "git~1") for part in parts)
        if wrong or "\\" in path or "\0" in path:
            raise Refused(STEP_FAILED, f"not a path inside the project: {path}")
        place = self.root
        for part in parts:
            place = place / part
            if place.is_symlink():
                raise Refused(STEP_FAILED, f"a link is in the way: {path}")
        return place

    def read(self, path: str) -> bytes | None:
        """Return a file's bytes; None when there is no such file."""
        place = self.place(path)
        if not place.is_file() or place.stat().st_size > _MOST_BYTES:
            return None
        return place.read_bytes()

    def text(self, path: str) -> str | None:
        """Return a file's text; None when there is no such file or it is no text."""
        data = self.read(path)
        if data is None or b"\0" in data:
            return None
        try:
            return data.decode()
        except UnicodeDecodeError:
            return None

    def write(self, path: str, data: bytes | None) -> None:
        """Write or, with None, remove a file; its mode stays."""
        place = self.place(path)
        if place.is_dir():
            raise Refused(STEP_FAILED, f"a directory is in the way: {path}")
        self.before.setdefault(path, self.read(path))
        if data is None:
            place.unlink(missing_ok=True)
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0)
        with os.fdopen(os.open(place, flags, 0o666), "wb") as stream:
            stream.write(data)

    def undo(self) -> None:
        """Put back what was there before the first write; commands' own changes stay."""
        for path, data in list(self.before.items()):
            self.write(path, data)

    def matching(self, patterns: Sequence[str]) -> Iterator[str]:
        """Yield regular files whose path matches one of the patterns, in order."""
        wanted = [re.compile(glob_pattern(pattern)) for pattern in patterns]
        for directory, names, files in os.walk(self.root):
            names[:] = sorted(name for name in names if name not in _SKIPPED)
            for name in sorted(files):
                path = (Path(directory) / name).relative_to(self.root).as_posix()
                if any(pattern.fullmatch(path) for pattern in wanted) and not (self.root / path).is_symlink():
                    yield path


def glob_pattern(pattern: str) -> str:
    """Turn a path pattern into a regular expression: `**/` any directories, `*` and `?` within one name."""
    pieces = re.split(r"(\*\*/|\*\*|\*|\?)", pattern)
    special = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "".join(special.get(piece) or re.escape(piece) for piece in pieces)


# --- conditions ------------------------------------------------------------------------------------------------------


def unmet(conditions: Sequence[Mapping[str, Any]], values: Mapping[str, str], root: Path, run: Runner) -> list[str]:
    """Return what does not hold, one sentence each."""
    found = (_problem(condition, values, Files(root), run) for condition in conditions)
    return [problem for problem in found if problem]


def _problem(condition: Mapping[str, Any], values: Mapping[str, str], files: Files, run: Runner) -> str:
    kind = condition["kind"]
    if kind == "tool":
        return "" if shutil.which(condition["program"]) else f"program not found: {condition['program']}"
    if kind == "run":
        argv = [fill(word, values) for word in condition["argv"]]
        code, output = run(argv, files.root, float(condition.get("timeout_s", 120)))
        expected = condition.get("exit_code", 0)
        return "" if code == expected else f"{' '.join(argv)} ended with {code}: {output[-_SHOWN:].strip()}"
    path = fill(condition["path"], values)
    there = files.place(path).exists()
    if kind == "exists":
        return "" if there else f"not there: {path}"
    if kind == "absent":
        return f"already there: {path}" if there else ""
    text = files.text(path)
    if text is None:
        return f"no text file: {path}"
    holds = fill(condition["text"], values) in text
    if kind == "contains":
        return "" if holds else f"{path} does not hold the expected text"
    return f"{path} still holds the text" if holds else ""


def unready(procedure: Mapping[str, Any], values: Mapping[str, str], root: Path, run: Runner) -> list[str]:
    """Return which preconditions are unmet: those written down, and those that the first steps imply."""
    files = Files(root)
    problems = unmet(procedure["preconditions"], values, root, run)
    touched: set[str] = set()
    for step in procedure["steps"]:
        if step["kind"] in ("run", "replace"):
            break  # what comes after may rest on what this one does
        path = fill(step["path"], values)
        if path in touched:
            continue
        touched.add(path)
        try:
            if step["kind"] == "edit":
                edited(files.text(path), step["changes"], values, path)
            elif step["kind"] == "write" and step.get("new") and files.place(path).exists():
                problems.append(f"already there: {path}")
            elif step["kind"] in ("delete", "move") and files.read(path) is None:
                problems.append(f"not there: {path}")
        except Refused as exc:
            problems.append(exc.reason)
    return problems


# --- steps -----------------------------------------------------------------------------------------------------------


def edited(text: str | None, changes: Sequence[Mapping[str, str]], values: Mapping[str, str], path: str) -> str:
    """Return the text with each change made at the one place where its old text stands. Refused (4) otherwise."""
    if text is None:
        raise Refused(STEP_FAILED, f"no text file: {path}")
    for change in changes:
        old, new = fill(change["old"], values), fill(change["new"], values)
        count = text.count(old)
        if count != 1:
            what = "is not there" if count == 0 else f"stands at {count} places"
            raise Refused(STEP_FAILED, f"in {path} the text to change {what}: {old.strip()[:120]!r}")
        text = text.replace(old, new)
    return text


def perform(step: Mapping[str, Any], values: Mapping[str, str], files: Files, run: Runner) -> str:
    """Carry out one step and say in a few words what it did. Refused (4) when it fails."""
    kind = step["kind"]
    if kind == "run":
        argv = [fill(word, values) for word in step["argv"]]
        cwd = files.place(fill(step["cwd"], values)) if step.get("cwd") else files.root
        code, output = run(argv, cwd, float(step.get("timeout_s", 120)))
        if code != 0:
            raise Refused(STEP_FAILED, f"{' '.join(argv)} ended with {code}: {output[-_SHOWN:].strip()}")
        return f"ran {' '.join(argv)[:200]}"
    if kind == "replace":
        return _replace(step, values, files)
    path = fill(step["path"], values)
    if kind == "edit":
        files.write(path, edited(files.text(path), step["changes"], values, path).encode())
    elif kind == "write":
        files.write(path, fill(step["text"], values).encode())
        if step.get("executable"):
            files.place(path).chmod(0o755)
    else:
        data = files.read(path)
        if data is None:
            raise Refused(STEP_FAILED, f"not there: {path}")
        if kind == "move":
            target = fill(step["to"], values)
            files.write(target, data)
            shutil.copymode(files.place(path), files.place(target))
        files.write(path, None)
    return f"{kind} {path}"


def _replace(step: Mapping[str, Any], values: Mapping[str, str], files: Files) -> str:
    old, new = fill(step["old"], values), fill(step["new"], values)
    before, after = (r"(?<![A-Za-z0-9_])", r"(?![A-Za-z0-9_])") if step.get("whole_word") else ("", "")
    pattern = re.compile(before + re.escape(old) + after)
    changed = 0
    for path in list(files.matching([fill(item, values) for item in step["paths"]])):
        text = files.text(path)
        if text is not None and pattern.search(text):
            files.write(path, pattern.sub(lambda _: new, text).encode())
            changed += 1
    if not changed:
        raise Refused(STEP_FAILED, f"nothing to replace: {old.strip()[:120]!r}")
    return f"replaced in {changed} files"


# --- alone, as a program ---------------------------------------------------------------------------------------------


def main(argv: Sequence[str]) -> int:
    """Run the procedure beside this file; JSON on stdout, talk on stderr."""
    home = Path(__file__).resolve().parent.parent
    procedure = json.loads((home / "assets" / "procedure.json").read_text(encoding="utf-8"))
    options = _parse(procedure, argv)
    report: dict[str, Any] = {"schema": "git-mimo/skill-run/1", "skill": procedure["name"], "dry_run": options.dry_run}
    files = Files(options.root.resolve())
    started = time.monotonic()
    try:
        _carry_out(procedure, options, files, report)
        report |= {"ok": True, "exit_code": 0}
    except Refused as exc:
        if exc.code in (STEP_FAILED, POSTCONDITION_FAILED):
            files.undo()
        report |= {"ok": False, "exit_code": exc.code, "reason": exc.reason}
    report["changed"] = sorted(files.before) if report["ok"] else []
    report["seconds"] = round(time.monotonic() - started, 3)
    sys.stdout.write(json.dumps(report, ensure_ascii=False, indent=1) + "\n")
    return int(report["exit_code"])


def _carry_out(procedure: Mapping[str, Any], options: Any, files: Files, report: dict[str, Any]) -> None:
    if procedure.get("schema") != SCHEMA:
        raise Refused(BAD_PARAMETERS, f"not a procedure that this program knows: {procedure.get('schema')}")
    given = {name: getattr(options, f"p_{name}") for name in procedure["parameters"].get("properties", {})}
    values = bind(procedure, {name: value for name, value in given.items() if value is not None}, files.root)
    report["parameters"] = values
    problems = unready(procedure, values, files.root, run_here)
    if not options.allow_dirty and _is_dirty(files.root):
        problems.append("the checkout has changes that are not committed (--allow-dirty to go on)")
    if problems:
        raise Refused(UNMET, "; ".join(problems)[: 2 * _SHOWN])
    report["steps"] = []
    for step in procedure["steps"]:
        if options.dry_run:
            report["steps"].append(f"would {step['kind']} {fill(str(step.get('path') or step.get('argv')), values)}")
            continue
        report["steps"].append(perform(step, values, files, run_here))
        sys.stderr.write(report["steps"][-1] + "\n")
    if not options.dry_run:
        problems = unmet(procedure["postconditions"], values, files.root, run_here)
        allowed = [re.compile(glob_pattern(fill(path, values))) for path in procedure["effects"]["paths"]]
        outside = [path for path in files.before if not any(pattern.fullmatch(path) for pattern in allowed)]
        problems += [f"changed outside the allowed paths: {path}" for path in outside]
        if problems:
            raise Refused(POSTCONDITION_FAILED, "; ".join(problems)[: 2 * _SHOWN])


def run_here(argv: Sequence[str], cwd: Path, timeout_s: float) -> tuple[int, str]:
    """Run a program without a shell. Nothing confines it."""
    try:
        done = subprocess.run(
            list(argv), cwd=cwd, timeout=timeout_s, stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
    except FileNotFoundError:
        return 127, f"program not found: {argv[0]}"
    except subprocess.TimeoutExpired:
        return 124, f"longer than {timeout_s:.0f} seconds"
    return done.returncode, (done.stdout + done.stderr).decode(errors="replace")


def _is_dirty(root: Path) -> bool:
    if not shutil.which("git"):
        return False
    code, output = run_here(["git", "status", "--porcelain", "--untracked-files=no"], root, 60)
    return code == 0 and bool(output.strip())


def _parse(procedure: Mapping[str, Any], argv: Sequence[str]) -> Any:
    parser = argparse.ArgumentParser(
        prog="run.py",
        description=procedure["description"],
        epilog="Exit codes: 0 done, 2 bad parameters, 3 precondition unmet, 4 step failed, 5 postcondition failed.",
    )
    parser.add_argument("--root", type=Path, default=Path.cwd(), help="the project (default: current directory)")
    parser.add_argument("--dry-run", action="store_true", help="check everything and change nothing")
    parser.add_argument("--allow-dirty", action="store_true", help="run although files have uncommitted changes")
    for name, rule in procedure["parameters"].get("properties", {}).items():
        meaning = str(rule.get("description", "")).replace("%", "%%")
        parser.add_argument(f"--{name.replace('_', '-')}", dest=f"p_{name}", metavar=rule["type"].upper(), help=meaning)
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
