"""Replies of the patch strategy: the files that one proposes, and the description of one that failed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gitmimo.agent.patch.localize import Site, read_text
from gitmimo.agent.patch.python_source import fingerprint, merge_code, parses, with_body
from gitmimo.agent.shell.text_protocol import parse_text
from gitmimo.files import is_test_path
from gitmimo.records import ActionKind, Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedFiles:
    """File texts to try, or why there are none."""

    files: tuple[tuple[str, str], ...] = ()
    problem: str = ""


def read_reply(reply: Reply, site: Site, *, root: Path, opening: str) -> ProposedFiles:
    """Read a reply: the body of a function whose `opening` was given, else whole files or functions in blocks.

    Tests are never written: they say what is right.
    """
    if opening and site.function is not None:
        text = with_body(site.text, site.function, reply.text.rpartition(opening)[2])
        if text is None or not parses(site.path, text):
            return ProposedFiles(problem="the code is not complete or not valid")
        return ProposedFiles(files=((site.path, text),))
    actions = parse_text(reply.text, single_file=site.path, cut=reply.finish_reason == "length")
    files: dict[str, str] = {}
    problem = next((action.text for action in actions if action.kind is ActionKind.INVALID), "no code block")
    for action in actions:
        if action.kind is not ActionKind.WRITE:
            continue
        if is_test_path(action.path):
            problem = "tests stay as they are"
            continue
        old = read_text(root, action.path)
        meant = site.function.name if site.function is not None and action.path == site.path else ""
        merged = action.text if old is None else merge_code(action.path, old, action.text, meant=meant)
        if merged is None or not parses(action.path, merged):
            return ProposedFiles(problem=f"the code for `{action.path}` is not valid")
        files[action.path] = _with_line_ends_of(old, merged)
    return ProposedFiles(files=tuple(files.items()), problem="" if files else problem)


def dedup_key(files: Sequence[tuple[str, str]]) -> str:
    """Equal for attempts that mean the same."""
    return "\n".join(f"{path}\n{fingerprint(path, text)}" for path, text in sorted(files))


def describe(files: Sequence[tuple[str, str]], before: Mapping[str, str | None], output: str) -> str:
    """A failed reply in a few lines: what it added, and the first assertion that failed. Contains no code block."""
    added = [
        line.strip()
        for path, text in files
        for line in text.split("\n")
        if line.strip() and line not in (before[path] or "").split("\n")
    ]
    errors = [line[1:].strip() for line in output.split("\n") if line.startswith("E ")]
    lines = "; ".join(f"`{line}`" for line in added[:3]) or "some lines left out"
    return f"{lines}" + (f" (it gives: {errors[0]})" if errors else "")


def _with_line_ends_of(old: str | None, text: str) -> str:
    if old is None or "\r\n" not in old:
        return text
    return text.replace("\r\n", "\n").replace("\n", "\r\n")
