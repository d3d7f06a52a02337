"""What people say of a result: a session that works their comments in, and a rejection."""

import contextlib
import json
from dataclasses import replace
from typing import Any

from gitmimo.config import Config
from gitmimo.errors import NeedsPerson, RepoError, UsageError
from gitmimo.git.repository import Repository
from gitmimo.ids import SessionStatus
from gitmimo.journal import Journal
from gitmimo.memory.offers import REVISION
from gitmimo.records import SessionResult
from gitmimo.workflow.directories import journal_path
from gitmimo.workflow.journals import read_all
from gitmimo.workflow.land import result_tip
from gitmimo.workflow.merge import merge_session
from gitmimo.workflow.progress import Watch
from gitmimo.workflow.pull_request import run_tool
from gitmimo.workflow.start import start_session

MAX_COMMENT_BYTES = 64 * 1024


def revise(
    repository: Repository,
    config: Config,
    result: SessionResult,
    comments: str,
    watch: Watch,
) -> SessionResult:
    """Start a session from the result branch whose task is the old one and what reviewers said of its result.

    A settled winner moves the result branch on, and with it the pull request. What reviewers say is data: it stands
    quoted in the task.
    """
    tip = result_tip(repository, result)
    task = revision_task(result.task, comments)
    revised = start_session(repository, config, task, watch, origin=(tip, result.result_branch))
    if revised.status is not SessionStatus.PASSED or revised.merged:
        return revised
    merge_session(repository, config, revised, observe=watch.observe)
    return replace(revised, merged=True)


def revised_session(repository: Repository, result: SessionResult) -> SessionResult:
    """The session whose pull request a revision moves on: the first of the chain; a session itself where it is none."""
    by_branch = {state.result.result_branch: state.result for state in read_all(repository)}
    seen = {result.session}
    while (first := by_branch.get(result.target_branch)) is not None and first.result_branch:
        if first.session in seen:
            break
        seen.add(first.session)
        result = first
    return result


def revision_task(task: str, comments: str) -> str:
    """Write the task of a revision: what reviewers ask for first, the old task as what must stay true."""
    if not comments.strip():
        raise UsageError("there are no comments to work in", hint="git mimo revise --comments FILE|-|gh")
    if len(comments.encode()) > MAX_COMMENT_BYTES:
        raise UsageError(f"the comments are longer than {MAX_COMMENT_BYTES // 1024} KiB")
    first = next(line.strip() for line in task.splitlines() if line.strip())
    quoted = "\n".join(f"> {line}" for line in comments.strip().splitlines())
    return (
        f"{REVISION}{first[:120]}\n\nReviewers said of the change that is already here:\n\n{quoted}\n\n"
        f"Do what they ask for, and keep what the first task wanted:\n\n{task.strip()}\n"
    )


def fetch_comments(repository: Repository, branch: str) -> str:
    """Read the review comments of the branch's pull request with gh. NeedsPerson when gh can't."""
    fields = "comments,reviews"
    done = run_tool(repository, ["gh", "pr", "view", branch, "--json", fields])
    if done.returncode:
        raise NeedsPerson(
            f"gh could not read the pull request of `{branch}`: {done.stderr.strip()[:300]}",
            hint="git mimo revise --comments FILE",
        )
    try:
        return parse_comments(json.loads(done.stdout))
    except (ValueError, TypeError, AttributeError, KeyError) as exc:
        raise RepoError("gh answered in a form that is not understood", hint="git mimo revise --comments FILE") from exc


def parse_comments(value: Any) -> str:
    """Turn gh's answer into text, oldest first, each with its author."""
    entries = [*value.get("reviews", ()), *value.get("comments", ())]
    entries.sort(key=lambda entry: entry.get("submittedAt") or entry.get("createdAt") or "")
    said = []
    for entry in entries:
        body = (entry.get("body") or "").strip()
        if body:
            said.append(f"{(entry.get('author') or {}).get('login', 'somebody')}: {body}")
    return "\n\n".join(said)


def reject(repository: Repository, result: SessionResult, reason: str) -> None:
    """Record in the session's journal that a person does not want the result. The branch stays.

    It is not merged then, and a dream learns nothing from its work, but offers the reason as a rule.
    """
    if not reason.strip():
        raise UsageError("a rejection needs its reason", hint='git mimo reject --reason "it slows down the start"')
    tip = result_tip(repository, result)
    with contextlib.closing(Journal(journal_path(repository, result.session))) as journal:
        journal.done("rejected", reason=" ".join(reason.split())[:1000], commit=tip)
