"""`git mimo pr|revise|reject`: publish a result for review, address comments, or reject it."""

import sys
from typing import Any

import click

from gitmimo.cli import render
from gitmimo.cli.options import (
    complete_branches,
    json_option,
    load_config,
    open_session,
    read_text_argument,
    session_argument,
    settings,
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
    from gitmimo.workflow.pull_request import open_pull_request
    from gitmimo.workflow.revise import revised_session

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
    from gitmimo.workflow.revise import fetch_comments, revise

    repository, result = open_session(session)
    result_tip(repository, result)
    if comments == "gh":
        said = fetch_comments(repository, str(result.result_branch))
    else:
        said = read_text_argument(comments if comments == "-" else f"@{comments}")
    config = load_config(repository, flags)
    quiet = as_json and not sys.stderr.isatty()
    with running(config.seconds("timeout"), quiet=quiet) as watch:
        revised = revise(repository, config, result, said, watch)
    return finish(revised, as_json=as_json)


@click.command("reject")
@session_argument
@click.option("--reason", required=True, help="Why: later sessions learn from it.")
def reject_command(session: str | None, reason: str) -> int:
    """Record that a session's result is not wanted. Its branch stays; the next dream offers the reason as a rule."""
    from gitmimo.workflow.revise import reject

    repository, result = open_session(session)
    reject(repository, result, reason)
    render.say(f"session {result.session} is rejected; its branch {result.result_branch} is kept")
    return 0
