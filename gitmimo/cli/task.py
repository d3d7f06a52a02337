"""Read the task: from words, a file, stdin, the editor, or an issue of the forge."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from gitmimo.cli import render
from gitmimo.cli.options import read_text_argument
from gitmimo.errors import MimoError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitmimo.git.repository import Repository

_EXAMPLE = 'git mimo start "what to change, and how to know it is done"'
_TEMPLATE = """\

# What to change, and how to know it is done. Lines that begin with # are left out; an empty task starts nothing.
# Several files or a long text are fine: the first line becomes the name of the result branch.
"""


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
