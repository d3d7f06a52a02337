"""`git mimo start|resume`: solve a task with several candidates."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gitmimo.cli import render
from gitmimo.cli.options import (
    json_option,
    load_config,
    open_repository,
    read_text_argument,
    session_argument,
    settings,
)
from gitmimo.errors import MimoError, UsageError
from gitmimo.files import has_test_name
from gitmimo.text import seconds, usd

if TYPE_CHECKING:
    from gitmimo.config import Config
    from gitmimo.git.repository import Repository
    from gitmimo.ids import Oid
    from gitmimo.records import SessionResult

_EXIT_CODES = {"passed": 0, "failed": 1, "unsettled": 2, "budget": 3, "error": 128, "interrupted": 130}
_EXAMPLE = 'git mimo start "what to change, and how to know it is done"'
_TEMPLATE = """\

# What to change, and how to know it is done. Lines that begin with # are left out; an empty task starts nothing.
# Several files or a long text are fine: the first line becomes the name of the result branch.
"""


@click.command("start", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("words", nargs=-1, metavar="[TASK]")
@click.option("-t", "--task", help="The task, for scripts: TEXT, @FILE, or - for stdin.", metavar="TEXT|@FILE|-")
@click.option("-e", "--edit", is_flag=True, help="Write the task, or change it, in your editor.")
@click.option("--with-changes", is_flag=True, help="Start from the checkout as it is: uncommitted and new files too.")
@settings(
    "candidates", "fanout", "effort", "agents", "model", "baseUrl", "critic", "strategy", "protocol",
    "test", "setup", "accept", "unprotected", "ignoreFailing", "trustTests",
    "budget", "maxTokens", "maxSteps", "timeout", "merge", "operation", "grants", "skills",
    "sandbox", "executor", "rayAddress",
)  # fmt: skip
@click.option("--trust-base", is_flag=True, default=None,
              help="Run the commands of HEAD's .mimo/config.yaml without approval: for CI machines.")  # fmt: skip
@click.option("--detach", is_flag=True, help="Go on in the background and print the session's id.")
@click.option("--session-id", hidden=True)
@json_option
@click.pass_context
def start_command(
    context: click.Context,
    /,
    words: tuple[str, ...],
    task: str | None,
    edit: bool,
    with_changes: bool,
    detach: bool,
    session_id: str | None,
    as_json: bool,
    **flags: Any,
) -> int:
    """Solve TASK with several candidates and keep the one that the tests accept.

    TASK is free text, a file, - for stdin, or the number of an issue on GitHub (read by `gh`).
    Nothing in your checkout changes: the result is on a branch of its own, mimo/<task>-<session>, until you merge
    it with `git mimo merge` (or give --merge).
    """
    from gitmimo.workflow.start import commit_changes

    repository = open_repository()
    text = read_task(repository, words, task, edit=edit)
    config = load_config(repository, flags, trusts_committed=bool(flags.get("trust_base")))
    if detach:
        if with_changes:
            raise UsageError("--with-changes does not go with --detach", hint="git stash, or commit first")
        return _detach(repository, text, _as_arguments(context.command, flags), as_json=as_json)
    for line in _implied_model(config):
        render.say(line)
    base = commit_changes(repository) if with_changes else None
    result = _run(repository, config, text, session_id, base=base, as_json=as_json)
    code = finish(result, as_json=as_json)
    if base and result.result_branch and not as_json:
        render.hint(f"git mimo apply {result.session}    # into your checkout, beside your changes")
    if not as_json:
        _report_learned(repository, config, result)
    return code


def read_task(repository: Repository, words: Sequence[str], option: str | None, *, edit: bool) -> str:
    """The text of the task; UsageError when there is none, or when it is longer than 64 KiB.

    `words` are the arguments: free text, or one of `@FILE`, a file's name, `-` for stdin, `#12` or `12` for an issue.
    """
    from gitmimo.workflow.start import MAX_TASK_BYTES

    if words and option is not None:
        raise UsageError("the task is given twice: as words and with --task", hint=_EXAMPLE)
    given = option if option is not None else " ".join(words)
    text = _read(repository, given, is_option=option is not None) if given else ""
    if edit:
        text = _edit(repository, text)
    if not text.strip():
        problem = "the task is empty" if given else "there is no task"
        raise UsageError(problem, hint=f"{_EXAMPLE}\ngit mimo start -e   # in your editor")
    if len(text.encode()) > MAX_TASK_BYTES:
        raise UsageError(
            f"the task is longer than {MAX_TASK_BYTES // 1024} KiB: {len(text.encode()):,} bytes",
            hint="commit the long part as a file and name it in the task",
        )
    return text


def _read(repository: Repository, given: str, *, is_option: bool) -> str:
    if is_option or given == "-" or given.startswith("@"):
        return read_text_argument(given)
    if issue := re.fullmatch(r"#?(\d{1,9})", given):
        return _read_issue(repository, int(issue[1]))
    if " " not in given and Path(given).is_file():
        render.say(f"the task is what `{given}` says")
        return read_text_argument(f"@{given}")
    return given


def _read_issue(repository: Repository, number: int) -> str:
    """Title, text and number of an issue, by the GitHub command line."""
    import json

    from gitmimo.workflow.pull_request import run_tool

    command = ["gh", "issue", "view", str(number), "--json", "title,body"]
    done = run_tool(repository, command, hint="git mimo start -e   # or paste the issue's text")
    if done.returncode:
        raise MimoError(f"`gh` could not read issue {number}: {done.stderr.strip() or done.stdout.strip()}")
    issue = json.loads(done.stdout)
    return f"{issue['title']}\n\n{issue['body'].strip()}\n\nThis is issue #{number}.\n"


def _edit(repository: Repository, text: str) -> str:
    """Let the person write the task in the editor that git would use."""
    import subprocess

    from gitmimo.git.run import user_program

    editor = user_program("GIT_EDITOR", cwd=repository.require_work_tree())
    if not editor:
        raise UsageError("git knows no editor here", hint='git config --global core.editor "nano"')
    path = repository.state_dir / "TASK_EDITMSG"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + _TEMPLATE, encoding="utf-8")
    if subprocess.run(["sh", "-c", f"{editor} {shlex.quote(str(path))}"], check=False).returncode:
        raise UsageError(f"the editor failed: `{editor}`")
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(line for line in lines if not line.startswith("#")).strip() + "\n"


def _run(
    repository: Repository, config: Config, text: str, session_id: str | None, *, base: Oid | None, as_json: bool
) -> SessionResult:
    """Start the session from HEAD, or from `base`, show what happens, and let Ctrl-C end it orderly.

    `session_id` is what a detached session was announced under.
    """
    from gitmimo.cli.progress import running
    from gitmimo.ids import SessionId, is_session_id, new_session_id
    from gitmimo.workflow.start import start_session

    if session_id is not None and not is_session_id(session_id):
        raise UsageError(f"not a session id: `{session_id}`")
    session = SessionId(session_id) if session_id else new_session_id()
    budget = config.number("budget")
    title = f"session {session}" + (f", budget {usd(budget)}" if budget is not None else "")
    with running(config.seconds("timeout"), as_json=as_json, title=title) as watch:
        origin = (base, repository.head_branch()) if base else None
        return start_session(repository, config, text, watch, origin=origin, session=session)


def _implied_model(config: Config) -> Iterator[str]:
    """Say which model is used when nobody configured one, and whose key and address it goes with."""
    from gitmimo.workflow.models import model_names, provider_of_environment

    found = provider_of_environment(os.environ)
    chosen = ("model", "models", "agents")
    if found and not config.text("provider") and not any(config.texts(name) for name in chosen):
        yield f"no model is configured; {found[1]} is set, so {', '.join(model_names(config))} is used"
    if address := config.text("baseUrl"):
        yield f"the model is asked at {address}"


def _report_learned(repository: Repository, config: Config, result: SessionResult) -> None:
    """Say what a dream would offer now; after the result, and an interrupt ends it."""
    from gitmimo.workflow.dream import say_learned

    if config.text("dream") == "auto" and result.status == "passed":
        with contextlib.suppress(KeyboardInterrupt, MimoError):
            if line := say_learned(repository, config):
                render.say(line)


def _as_arguments(command: click.Command, flags: Mapping[str, Any]) -> list[str]:
    """Write parsed options as they would be typed."""
    words: list[str] = []
    for option in command.params:
        value = flags.get(option.name or "")
        if not isinstance(option, click.Option) or value is None or value == ():
            continue
        if isinstance(value, bool):
            words.append(option.opts[-1] if value else option.secondary_opts[-1])
        else:
            for item in value if isinstance(value, tuple) else (value,):
                words.append(f"{option.opts[-1]}={item}")
    return words


def _detach(repository: Repository, text: str, arguments: list[str], *, as_json: bool) -> int:
    from gitmimo.ids import new_session_id
    from gitmimo.workflow.start import detach as detach_session

    session = new_session_id()
    words = ["start", "--task", "-", "--session-id", session, *arguments]
    log = detach_session(repository, session, words, task=text)
    if as_json:
        render.emit_json("detached/1", {"session": session, "log": str(log)})
    else:
        render.out(session)
        render.hint(f"git mimo attach {session}")
    return 0


def finish(result: SessionResult, *, as_json: bool) -> int:
    """Print how a session ended, as JSON or for a person; the exit code is git's. What was cut off was interrupted."""
    from gitmimo.workflow.session_result import result_json

    if as_json:
        render.emit_json("start/1", result_json(result))
    else:
        _report(result)
    return _EXIT_CODES.get(result.status.value, 130)


def _report(result: SessionResult) -> None:
    """Print how a session ended: a line, the candidates, what behaves differently, and what comes next."""
    from gitmimo.cli.review import text_width
    from gitmimo.report.summary import CANDIDATE_HEADINGS, candidate_rows, difference_lines, wrapped

    render.out(f"session {result.session}: {result.status.value}, {usd(result.cost_usd)}, {seconds(result.seconds)}")
    if result.candidates:
        render.out(render.table(CANDIDATE_HEADINGS, candidate_rows(result)))
    said = wrapped(result.message, text_width()) if result.message else ()
    for line in (*said, *difference_lines(result, text_width())):
        render.out(line)
    if result.result_branch:
        render.out(f"result: {result.result_branch} ({(result.result_commit or '')[:12]}), from {result.base[:12]}")
        if result.merged:
            render.out(f"merged into {result.target_branch}")
        else:
            render.hint(f"git mimo review {result.session}   # read it")
            render.hint(f"git mimo merge {result.session}    # bring it into {result.target_branch or 'a branch'}")
    elif result.candidates:
        render.hint(f"git mimo show {result.session}")
        restored = {path for each in result.candidates if each.evidence for path in each.evidence.restored_paths}
        for path in sorted(path for path in restored if not has_test_name(path))[:2]:
            allowed = f"git mimo start --allow-tests {shlex.quote(path)} ..."
            render.hint(f"{allowed}   # base's version counted; this lets candidates change it")


@click.command("resume")
@session_argument
@settings("trustTests", "budget", "maxTokens", "maxSteps", "timeout", "sandbox")
@json_option
def resume_command(session: str | None, as_json: bool, **flags: Any) -> int:
    """Resume a session that was killed, interrupted or out of budget.

    Candidates that had finished keep their results; one in flight goes on after its last step. The session keeps the
    settings it was started with; limits are read anew and can be given here, and the time counts from now on.
    """
    from gitmimo.cli.progress import running
    from gitmimo.workflow.session_result import restore
    from gitmimo.workflow.start import find_interrupted, resume_session

    repository = open_repository()
    config = load_config(repository, flags)
    state = find_interrupted(repository, session)
    timeout_s = restore(config, state.settings).seconds("timeout")
    with running(timeout_s, as_json=as_json) as watch:
        result = resume_session(repository, config, state, watch)
    return finish(result, as_json=as_json)
