"""`git mimo merge|undo|apply`: bring a result into its branch or into the files of the checkout, and take that back."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from gitmimo.cli import render
from gitmimo.cli.options import (
    complete_branches,
    complete_candidates,
    json_option,
    load_config,
    open_repository,
    open_session,
    session_argument,
    settings,
)
from gitmimo.cli.review import ends_of, target_of
from gitmimo.errors import NeedsPerson, UsageError
from gitmimo.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitmimo.git.repository import Repository


@click.command("merge")
@session_argument
@click.argument("number", required=False, type=click.IntRange(min=0), shell_complete=complete_candidates)
@click.option("--into", help="Merge into this branch instead of the one the session started from.", metavar="BRANCH",
              shell_complete=complete_branches)  # fmt: skip
@settings("sandbox")
@json_option
def merge_command(session: str | None, number: int | None, into: str | None, sandbox: str | None, as_json: bool) -> int:
    """Merge a session's result, or candidate NUMBER of it, into its branch.

    Fast-forward where possible. When the branch has moved, the merge is made in memory and the merged tree is tested
    before anything moves. A conflict names its files and changes nothing (exit 2).
    """
    from gitmimo.workflow.merge import merge_session

    repository, result = open_session(session)
    config = load_config(repository, {"sandbox": sandbox})
    landing = merge_session(repository, config, result, number=number, into=into)
    if as_json:
        value: dict[str, object] = {"session": result.session, "branch": landing.branch, "commit": landing.commit}
        value |= {"fast_forward": landing.fast_forward, "retested": landing.evidence is not None}
        return render.emit_json("merge/1", value)
    if not landing.fast_forward and landing.evidence is None:
        render.say(f"{landing.branch} has this change already ({landing.commit[:12]})")
        return 0
    how = "fast-forward" if landing.fast_forward else "merge, re-tested"
    render.say(f"{landing.branch} is now {landing.commit[:12]} ({how})")
    return 0


@click.command("undo")
@click.argument("operation", required=False)
@click.option("--list", "only_list", is_flag=True, help="List what can be undone, newest first.")
@click.option("--checkout", is_flag=True, help="Take the files of a clean checkout along.")
@click.option("--json", "as_json", is_flag=True, help="With --list: print one JSON object.")
def undo_command(operation: str | None, only_list: bool, checkout: bool, as_json: bool) -> int:
    """Restore refs to what they were before the last git-mimo command that moved any.

    What is older is taken back by its name, OPERATION, one of `--list`. Nothing moves when somebody committed on top
    since: then a revert is the way, and the hint says which.
    """
    from gitmimo.ids import short_name
    from gitmimo.workflow.undo import undo, undoable

    repository = open_repository()
    if only_list:
        found = undoable(repository)
        if as_json:
            return render.emit_json("undo-list/1", {"operations": found})
        rows = [
            (op.id, f"{op.time:%Y-%m-%d %H:%M}", op.command, ", ".join(short_name(m.ref) for m in op.moves))
            for op in found
        ]
        render.out(render.table(("id", "when", "command", "refs"), rows) if rows else "nothing is left to undo")
        return 0
    done = undo(repository, id=operation, with_checkout=checkout)
    for move in done.operation.moves:
        render.say(
            f"{short_name(move.ref)} is back at {move.old[:12]}" if move.old else f"{short_name(move.ref)} is gone"
        )
    render.hint(f"git mimo undo {done.record}   # takes that back")
    return 0


_KEYS = "y take it, n leave it, a take it and the rest of the file, d leave the rest of the file, q take no more"


@dataclass(frozen=True, slots=True)
class FilePatch:
    """One file of a diff: its head, and its hunks, each with its own `@@` line; none for a rename or a binary file."""

    name: str
    head: str
    hunks: tuple[str, ...]


@click.command("apply")
@click.argument("words", nargs=-1, metavar="[SESSION] [NUMBER] [PATHS]")
@click.option("-p", "--patch", is_flag=True, help="Ask for each hunk.")
def apply_command(words: tuple[str, ...], patch: bool) -> int:
    """Apply a session's result, or candidate NUMBER of it, to the files of the checkout, also if it is dirty.

    Nothing is committed and the index stays as it is. If a hunk does not apply, no file changes
    (exit 2). The files then count as your own work: no evidence covers them.
    """
    repository = open_repository()
    result, number, paths = target_of(repository, words)
    files = list(split_patch(_diff(repository, *ends_of(result, number), paths)))
    if not files:
        raise UsageError("there is nothing to apply", hint=f"git mimo diff {result.session}")
    if patch:
        if not sys.stdin.isatty():
            raise UsageError("-p asks on a terminal", hint="git mimo apply")
        files = list(_chosen(files))
    if not files:
        render.say("nothing was taken")
        return 1
    _apply(repository, "".join(file.head + "".join(file.hunks) for file in files))
    hunks = sum(len(file.hunks) or 1 for file in files)
    render.say(f"took {counted(hunks, 'hunk')} of {counted(len(files), 'file')} into the checkout")
    render.hint("git diff")
    return 0


def split_patch(text: str) -> Iterator[FilePatch]:
    """Split a diff of git's into files and hunks."""
    for section in re.split(r"^(?=diff --git )", text, flags=re.MULTILINE):
        if section:
            head, *hunks = re.split(r"^(?=@@ )", section, flags=re.MULTILINE)
            yield FilePatch(head.split(" b/", 1)[-1].split("\n", 1)[0], head, tuple(hunks))


def _diff(repository: Repository, old: str, new: str, paths: list[str]) -> str:
    from gitmimo.git.run import run_git

    words = ["diff", "--no-ext-diff", "--no-textconv", "--no-renames", "--binary", "--no-color", old, new, "--"]
    where = repository.require_work_tree()
    raw = run_git([*words, *(paths or ["."]), ":(exclude,top).mimo"], cwd=where).stdout
    return raw.decode("utf-8", "surrogateescape")


def _chosen(files: list[FilePatch]) -> Iterator[FilePatch]:
    """Ask for each hunk; a file without hunks is asked for as a whole."""
    is_over = False
    for file in files:
        taken: list[str] = []
        all_of_it: bool | None = None
        for hunk in file.hunks or ("",):
            answer = "n" if is_over else "y" if all_of_it else "n" if all_of_it is False else _ask(file, hunk)
            is_over = is_over or answer == "q"
            all_of_it = True if answer == "a" else False if answer == "d" else all_of_it
            if answer in ("y", "a"):
                taken.append(hunk)
        if taken:
            yield FilePatch(file.name, file.head, tuple(hunk for hunk in taken if hunk))


def _ask(file: FilePatch, hunk: str) -> str:
    render.out_raw(f"{render.paint(file.name, 'bold')}\n")
    for line in hunk.splitlines():
        style = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1])
        render.out_raw(f"{render.paint(line, style) if style else render.paint(line, 'dim')}\n")
    while True:
        answer = str(click.prompt("Take this hunk [y,n,a,d,q,?]", err=True)).strip().lower()[:1]
        if answer in tuple("ynadq"):
            return answer
        render.say(_KEYS)


def _apply(repository: Repository, text: str) -> None:
    from gitmimo.git.run import run_git

    words = ["apply", "--recount", "--whitespace=nowarn", "-"]
    data = text.encode("utf-8", "surrogateescape")
    done = run_git(words, cwd=repository.require_work_tree(), input=data, check=False)
    if done.exit_code:
        said = done.stderr.strip().splitlines() or ["git apply failed"]
        raise NeedsPerson(
            f"it does not fit the files as they are, so nothing was changed: {said[0].removeprefix('error: ')}",
            hint="git mimo apply -p   # the hunks that fit",
        )
