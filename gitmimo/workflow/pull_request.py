"""A result before reviewers: its draft pull request, their comments worked in by another session, its rejection."""

import contextlib
import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gitmimo import ids
from gitmimo.config import Config
from gitmimo.errors import NeedsPerson, RepoError, UsageError
from gitmimo.git import refs
from gitmimo.git.repository import Repository
from gitmimo.git.run import GitFailed, clean_environment
from gitmimo.git.trees import without_mimo
from gitmimo.ids import Oid, SessionStatus
from gitmimo.journal import Journal
from gitmimo.memory.offers import REVISION
from gitmimo.records import SessionResult
from gitmimo.workflow.directories import journal_path
from gitmimo.workflow.evidence_notes import add_patch, find_evidence, trees_of
from gitmimo.workflow.journals import read_all
from gitmimo.workflow.land import result_tip
from gitmimo.workflow.merge import merge_session
from gitmimo.workflow.progress import Watch
from gitmimo.workflow.start import start_session

MAX_COMMENT_BYTES = 64 * 1024
_TOOL_LIMIT_S = 120.0
_REMOTE_NOTES = "refs/mimo/remote-notes"


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequest:
    """The result of `pr`: its address when a tool opened it, else git's own request as text."""

    pushed: tuple[str, ...]
    url: str = ""
    request: str = ""
    tool: str = ""
    tool_said: str = ""  # why the tool could not do it


def is_tested(repository: Repository, tip: Oid) -> bool:
    """Whether a passing note speaks of exactly this commit's files."""
    found = find_evidence(repository, tip, by_patch=False)
    if found is None or not found.note.evidence.passed:
        return False
    tree = without_mimo(repository, repository.tree_of(tip))
    return tree in trees_of(repository, found.note.evidence)


def open_pull_request(
    repository: Repository,
    result: SessionResult,
    title_and_body: tuple[str, str],
    *,
    remote: str = "origin",
    base: str | None = None,
    tool: str = "auto",
) -> PullRequest:
    """Push the result branch and its notes, and open a draft with gh or glab; without them write git's request.

    `tool` is auto, gh, glab or none. NeedsPerson when the branch changed since it was tested or the push is refused.
    Never pushes a candidate, never marks a draft as ready.
    """
    tip = result_tip(repository, result)
    branch = str(result.result_branch)
    if not is_tested(repository, tip):
        raise NeedsPerson(
            f"`{branch}` has no passing evidence for what it holds now", hint=f"git mimo ci --record {branch}"
        )
    url = repository.run("remote", "get-url", remote, check=False).text
    if not url:
        raise UsageError(f"no such remote: `{remote}`", hint="git remote add origin ADDRESS")
    target = base or result.target_branch or "main"
    add_patch(repository, tip, _parting(repository, remote, target, tip) or result.base)
    pushed = push_result(repository, branch, remote)
    chosen = _tool_for(url) if tool == "auto" else "" if tool == "none" else tool
    opened, said = _open(repository, chosen, branch, target, title_and_body) if chosen else ("", "")
    request = "" if opened else _request(repository, remote, url, result, branch)
    return PullRequest(pushed=pushed, url=opened, request=request, tool=chosen, tool_said=said)


def push_result(repository: Repository, branch: str, remote: str) -> tuple[str, ...]:
    """Push one result branch and the evidence notes, joined with the remote's; the user's hooks run."""
    _join_notes(repository, remote)
    wanted = [f"refs/heads/{branch}:refs/heads/{branch}"]
    if refs.read_ref(repository, ids.NOTES_REF) is not None:
        wanted.append(f"{ids.NOTES_REF}:{ids.NOTES_REF}")
    try:
        repository.run("push", "--quiet", remote, *wanted, user_hooks=True)
    except GitFailed as exc:
        raise NeedsPerson(
            f"the push to `{remote}` was refused: {' '.join(exc.stderr.split())[:600]}",
            hint=f"git push {remote} {branch}",
        ) from exc
    return tuple(name.partition(":")[0] for name in wanted)


def _parting(repository: Repository, remote: str, target: str, tip: Oid) -> Oid | None:
    """The merge base of the branch and its target."""
    for name in (f"refs/remotes/{remote}/{target}", f"refs/heads/{target}"):
        theirs = refs.read_ref(repository, name)
        if theirs is not None:
            done = repository.run("merge-base", theirs, tip, check=False)
            return Oid(done.text.splitlines()[0]) if done.exit_code == 0 else None
    return None


def _join_notes(repository: Repository, remote: str) -> None:
    """Bring the remote's notes into ours, so that pushing ours loses none; where both speak, ours stays."""
    where = f"{_REMOTE_NOTES}/{re.sub(r'[^A-Za-z0-9._-]', '-', remote).strip('.-') or 'remote'}"
    fetched = repository.run("fetch", "--quiet", "--no-tags", remote, f"+{ids.NOTES_REF}:{where}", check=False)
    theirs = refs.read_ref(repository, where)
    if fetched.exit_code or theirs is None:
        return
    ours = refs.read_ref(repository, ids.NOTES_REF)
    if ours is None:
        refs.update_ref(repository, ids.NOTES_REF, theirs, expected=None, reason="mimo: notes fetched")
    elif ours != theirs:
        repository.run("notes", f"--ref={ids.NOTES_REF}", "merge", "--quiet", "--strategy=ours", where)


def _tool_for(url: str) -> str:
    wanted = "glab" if "gitlab" in url.lower() else "gh"
    return wanted if re.match(r"(https?://|ssh://|git@|[\w.-]+@)", url) and shutil.which(wanted) else ""


def _open(
    repository: Repository, tool: str, branch: str, target: str, title_and_body: tuple[str, str]
) -> tuple[str, str]:
    """Return the draft's address, or why there is none."""
    title, body = title_and_body
    if tool == "gh":
        command = ["gh", "pr", "create", "--draft", "--base", target, "--head", branch]
        done = run_tool(repository, [*command, "--title", title, "--body-file", "-"], body)
    else:
        command = ["glab", "mr", "create", "--draft", "--yes", "--target-branch", target, "--source-branch", branch]
        done = run_tool(repository, [*command, "--title", title, "--description", body])
    found = re.findall(r"https?://\S+", done.stdout)
    if done.returncode and "already exists" in done.stderr:
        known = re.findall(r"https?://\S+", done.stderr)
        return (known[-1], "") if known else ("", done.stderr.strip()[:400])
    if done.returncode or not found:
        return "", (done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}")[:400]
    return found[-1], ""


def run_tool(
    repository: Repository, command: Sequence[str], text: str = "", *, hint: str = "git mimo pr --tool none"
) -> subprocess.CompletedProcess[str]:
    """Run gh or glab in the checkout. NeedsPerson with the hint when it is not installed."""
    cwd: Path = repository.work_tree or repository.git_dir
    try:
        return subprocess.run(
            list(command),
            cwd=cwd,
            env=clean_environment() | {"GH_PROMPT_DISABLED": "1", "NO_COLOR": "1"},
            input=text,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=_TOOL_LIMIT_S,
        )
    except FileNotFoundError as exc:
        raise NeedsPerson(f"`{command[0]}` is not installed", hint=hint) from exc
    except subprocess.TimeoutExpired as exc:
        raise RepoError(f"`{command[0]}` did not answer in {_TOOL_LIMIT_S:.0f} s") from exc


def _request(repository: Repository, remote: str, url: str, result: SessionResult, branch: str) -> str:
    done = repository.run("request-pull", result.base, url, branch, check=False)
    return done.text if done.exit_code == 0 else f"{branch} at {remote} ({url})"


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
