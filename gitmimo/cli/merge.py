"""`git mimo merge|undo|apply|pr|revise|reject`: what becomes of a result."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from gitmimo.cli import render
from gitmimo.cli.options import (
    complete_branches,
    json_option,
    load_config,
    open_repository,
    open_session,
    open_target,
    read_text_argument,
    session_argument,
    settings,
    target_arguments,
)
from gitmimo.cli.review import ends_of, read_diff, target_of
from gitmimo.errors import NeedsPerson, UsageError
from gitmimo.text import counted

if TYPE_CHECKING:
    from gitmimo.git.repository import Repository


@click.command("merge")
@target_arguments
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

    repository, result, number = open_target(session, number)
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
    diff = read_diff(repository, *ends_of(result, number), "--no-renames", "--binary", paths=paths)
    files = _split(diff)
    if not files:
        raise UsageError("there is nothing to apply", hint=f"git mimo diff {result.session}")
    if patch:
        if not sys.stdin.isatty():
            raise UsageError("-p asks on a terminal", hint="git mimo apply")
        files = _chosen(files)
    if not files:
        render.say("nothing was taken")
        return 1
    _apply(repository, "".join(file.head + "".join(file.hunks) for file in files))
    hunks = sum(len(file.hunks) or 1 for file in files)
    render.say(f"took {counted(hunks, 'hunk')} of {counted(len(files), 'file')} into the checkout")
    render.hint("git diff")
    return 0


def _split(text: str) -> list[FilePatch]:
    """A diff of git's by files and hunks."""
    files = []
    for section in re.split(r"^(?=diff --git )", text, flags=re.MULTILINE)[1:]:
        head, *hunks = re.split(r"^(?=@@ )", section, flags=re.MULTILINE)
        files.append(FilePatch(head.split(" b/", 1)[-1].split("\n", 1)[0], head, tuple(hunks)))
    return files


def _chosen(files: list[FilePatch]) -> list[FilePatch]:
    """Ask for each hunk until the person quits; a file without hunks is asked for as a whole."""
    chosen = []
    answer = ""
    for file in files:
        taken = []
        for hunk in file.hunks or ("",):
            if answer != "q":
                _show(file, hunk)
                asked = click.Choice(["y", "n", "q"])
                answer = click.prompt("take this hunk, leave it, quit", type=asked, err=True)
            taken += [hunk] if answer == "y" else []
        if taken:
            chosen.append(replace(file, hunks=tuple(filter(None, taken))))
    return chosen


def _show(file: FilePatch, hunk: str) -> None:
    render.out_raw(f"{render.paint(file.name, 'bold')}\n")
    for line in hunk.splitlines():
        style = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "dim")
        render.out_raw(f"{render.paint(line, style)}\n")


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


@click.command("pr")
@session_argument
@click.option("--remote", default="origin", help="Where to push (origin).")
@click.option("--into", help="Branch that the pull request is for; the session's own when left out.", metavar="BRANCH",
              shell_complete=complete_branches)  # fmt: skip
@click.option("--tool", type=click.Choice(["auto", "gh", "glab", "none"]), default="auto", help="Who opens the draft.")
@click.option("--body", "only_body", is_flag=True, help="Only print the text; push nothing.")
@json_option
def pr_command(session: str | None, remote: str, into: str | None, tool: str, only_body: bool, as_json: bool) -> int:
    """Push a session's result with its evidence and open a draft pull request.

    Without gh or glab git's own request is printed, to be sent by mail. Nothing is ever marked as ready.
    """
    from gitmimo.report.pull_request_text import describe
    from gitmimo.workflow.pull_request import open_pull_request, revised_session

    repository, result = open_session(session)
    result = revised_session(repository, result)
    title, body = describe(repository, result)
    if only_body:
        render.out_raw(body)
        return 0
    opened = open_pull_request(repository, result, (title, body), remote=remote, base=into, tool=tool)
    if as_json:
        value: dict[str, object] = {"session": result.session, "branch": result.result_branch, "title": title}
        value |= {"remote": remote, "pushed": list(opened.pushed), "url": opened.url or None}
        return render.emit_json("pr/1", value | {"tool": opened.tool or None, "message": opened.tool_said})
    render.say(f"pushed {', '.join(opened.pushed)} to {remote}")
    if opened.url:
        render.out(opened.url)
        return 0
    if opened.tool_said:
        render.say(f"{opened.tool} could not open it: {opened.tool_said}")
    render.out(opened.request)
    render.out("")
    render.out_raw(body)
    return 0


@click.command("revise")
@session_argument
@click.option("--comments", required=True, help="What reviewers said.", metavar="FILE|-|gh")
@settings("candidates", "model", "baseUrl", "critic", "test", "budget", "maxTokens", "sandbox")
@json_option
def revise_command(session: str | None, comments: str, as_json: bool, **flags: Any) -> int:
    """Address review comments: new candidates start from the result branch, and a settled winner moves it on.

    Comments come from a file, from stdin, or from the pull request by gh.
    """
    from gitmimo.cli.progress import running
    from gitmimo.cli.start import finish
    from gitmimo.workflow.land import result_tip
    from gitmimo.workflow.pull_request import fetch_comments, revise

    repository, result = open_session(session)
    result_tip(repository, result)
    if comments == "gh":
        said = fetch_comments(repository, str(result.result_branch))
    else:
        said = read_text_argument(comments if comments == "-" else f"@{comments}")
    config = load_config(repository, flags)
    with running(config.seconds("timeout"), as_json=as_json) as watch:
        revised = revise(repository, config, result, said, watch)
    return finish(revised, as_json=as_json)


@click.command("reject")
@session_argument
@click.option("--reason", required=True, help="Why: later sessions learn from it.")
def reject_command(session: str | None, reason: str) -> int:
    """Record that a session's result is not wanted. Its branch stays; the next dream offers the reason as a rule."""
    from gitmimo.workflow.pull_request import reject

    repository, result = open_session(session)
    reject(repository, result, reason)
    render.say(f"session {result.session} is rejected; its branch {result.result_branch} is kept")
    return 0
