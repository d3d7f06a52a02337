"""How a session begins or is resumed: its base, the first lines of its journal, and its results so far."""

import os

from gitmimo import mimo_dir, refnames
from gitmimo.codec import to_json
from gitmimo.git import commit, refs, snapshot
from gitmimo.git.repository import Repository
from gitmimo.journal import Journal
from gitmimo.processes import process_name
from gitmimo.records import Oid, SessionId, utc_now
from gitmimo.results import CandidateResult, SessionResult, SessionStatus
from gitmimo.workflow.cleaning import clear_session
from gitmimo.workflow.directories import session_directory
from gitmimo.workflow.plan import Plan
from gitmimo.workflow.status import is_over


def open_session(repository: Repository, plan: Plan, session: SessionId, journal: Journal) -> SessionResult:
    """Write the first line of the journal, or the one that says it is resumed, and keep the base."""
    opening = SessionResult(
        session=session,
        status=SessionStatus.RUNNING,
        task=plan.task.text,
        base=plan.base,
        target_branch=plan.target_branch,
        started=utc_now(),
    )
    process = {"process": os.getpid(), "process_start": process_name(os.getpid())}
    if plan.past is None:
        told = to_json(opening)
        facts = {name: told[name] for name in ("task", "base", "target_branch", "started")}
        journal.intend("session", **facts, **process, settings=plan.settings)
    else:
        journal.intend("resumed", **process)
        clear_session(repository, session, session_directory(repository, session, root=plan.worktree_root))
    kept = refnames.base_ref(session)
    if refs.read_ref(repository, kept) is None:
        refs.update_ref(repository, kept, plan.base, expected=None, reason="mimo: session base")
    return opening


def kept_results(plan: Plan) -> dict[int, CandidateResult]:
    """The candidates that were done and judged before the session was cut off."""
    past = plan.past.results if plan.past else {}
    return {n: r for n, r in past.items() if r.evidence is not None and is_over(r, max_steps=plan.max_steps)}


def worked_before(plan: Plan, number: int) -> CandidateResult | None:
    """A candidate that had ended, but was not judged yet, when the session was cut off."""
    found = plan.past.results.get(number) if plan.past else None
    return found if found is not None and is_over(found, max_steps=plan.max_steps) else None


def commit_changes(repository: Repository) -> Oid | None:
    """Write the checkout as it is, new files included, as a commit on HEAD; None when it holds nothing new.

    Ignored files stay out. Branch, index and files are left as they are: only the session's base ref names the commit.
    """
    head = repository.resolve("HEAD")
    before = repository.tree_of(head)
    found = snapshot.snapshot_worktree(repository, repository.require_work_tree(), parent=head)
    tree = mimo_dir.with_mimo_from(repository, found, before)
    if tree == before:
        return None
    message = "mimo: uncommitted changes at the start of a session\n"
    return commit.write_commit(repository, tree=tree, parents=(head,), message=message)
