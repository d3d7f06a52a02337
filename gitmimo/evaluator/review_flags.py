"""Review flags: signs in added lines that a product was written to satisfy tests rather than to be right. Pure."""

import ast
import re
from collections.abc import Iterable, Iterator, Sequence

from gitmimo.evaluator.indirect_changes import look_alike_words
from gitmimo.evaluator.python_env import definitions, parse_python
from gitmimo.evaluator.rules import read_rules
from gitmimo.git.diff import AddedLine
from gitmimo.text import escape_controls, hidden_characters, quoted

REVIEW = "review: "
"""Prefix of flags that block a merge until a person or the critic has reviewed them."""

_SIGNS = [(re.compile(sign.encode()), meaning) for meaning, signs in read_rules("signs").items() for sign in signs]
_ENDS_PROCESS = re.compile(
    rb"\b(?:sys\.|os\._?)?(?:exit|quit|abort)\s*\(|\bSystemExit\b|\bexitCode\b|\bexcepthook\b|\bprocess\.(?:exit|on)\b|"
    rb"\bos\.(?:kill|execv?\w*)\b|\bpanic::set_hook\b|\bSystem\.exit\b"
)
_EQUALITY = re.compile(rb"\bdef\s+__(?:eq|ne|lt|le|gt|ge|contains)__\s*\(|\bequals\s*\(\s*Object\b")
_ALWAYS = re.compile(rb"^\s*return\s+(?:True|true|not False)\s*;?\s*(?:#.*|//.*)?$")


def suspicious_lines(lines: Iterable[AddedLine], *, only_exit_code: bool = False) -> Iterator[str]:
    """Flags for what added product lines do that only tests could want.

    With `only_exit_code` a command's exit code decides, and lines that can end a process are named as well. Replaced
    parts of the standard library are for `indirect_changes` and `probes/watch.py`.
    """
    recent: list[AddedLine] = []
    for line in lines:
        recent = [old for old in recent if old.path == line.path and line.number - old.number <= 4]
        found = [meaning for pattern, meaning in _SIGNS if pattern.search(line.text)]
        if hidden := hidden_characters(_decoded(line.text).rstrip("\r")):
            found.append(f"hidden characters ({', '.join(hidden[:3])})")
        if words := look_alike_words(line.text.decode("utf-8", "replace")):
            found.append(f"letters that look like others (`{escape_controls(words[0])}`)")
        if only_exit_code and _ENDS_PROCESS.search(line.text):
            found.append("can end the process, and only an exit code decides")
        if _ALWAYS.match(line.text) and any(_EQUALITY.search(old.text) for old in recent):
            found.append("is equal to everything")
        yield from (f"{REVIEW}{meaning}: {quoted(line.path)} line {line.number}" for meaning in found)
        recent.append(line)


def _decoded(line: bytes) -> str:
    """The text of a line; of a file in another encoding than UTF-8, some text in which nothing gets lost."""
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("latin-1")


_ASSERTION = re.compile(rb"\bassert\w*\b|\bexpect\s*\(|\bt\.(?:Error|Fatal)|\bself\.(?:assert|fail)|\bshould\b")
_CODE = re.compile(rb"\S")
_SKIP = re.compile(
    rb"\b(?:pytest\.)?(?:mark\.)(?:skip|xfail)|pytest\.(?:skip|xfail|importorskip)|unittest\.(?:skip|expectedFailure)|\b(?:it|test|describe)\.skip|t\.Skip|#\[ignore"
)


def weakened_tests(path: str, before: bytes, after: bytes | None) -> tuple[str, ...]:
    """Say in what a changed test file demands less than before."""
    shown = quoted(path)
    if after is None:
        return (f"{REVIEW}deletes a test file: {shown}",)
    found = []
    if _gone(_ASSERTION, before, after):
        found.append(f"{REVIEW}removes or changes assertions: {shown}")
    elif changed := _changed_functions(before, after) if path.endswith(".py") else _gone(_CODE, before, after):
        what = f"existing tests ({', '.join(changed[:3])})" if isinstance(changed, list) else "lines of existing tests"
        found.append(f"{REVIEW}changes {what}: {shown}")
    if len(_SKIP.findall(after)) > len(_SKIP.findall(before)):
        found.append(f"{REVIEW}skips tests: {shown}")
    return tuple(found)


def _changed_functions(before: bytes, after: bytes) -> list[str]:
    """Functions that both versions of a file have with other code, by name."""
    old, new = (
        {name: ast.dump(node) for name, node in definitions(parse_python(source)) if not isinstance(node, ast.ClassDef)}
        for source in (before, after)
    )
    return sorted(name for name, code in old.items() if new.get(name, code) != code)


def _gone(pattern: re.Pattern[bytes], before: bytes, after: bytes) -> bool:
    kept = {line.strip() for line in after.splitlines()}
    return any(pattern.search(line) and line.strip() not in kept for line in before.splitlines())


def needs_review(flags: Sequence[str]) -> tuple[str, ...]:
    """The flags that forbid merging without a person or a critic."""
    return tuple(flag for flag in flags if flag.startswith(REVIEW))
