"""A session's result, or one of its candidates, into a branch of the user's; a merge that was cut off is taken back."""

import contextlib
import functools
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from gitmimo import ids
from gitmimo.config import Config
from gitmimo.errors import JournalError, MimoError, NeedsPerson, RefMoved, UsageError
from gitmimo.evidence import Evidence
from gitmimo.files import hold_lock
from gitmimo.git import merge, refs, undo_log
from gitmimo.git.gc_lock import hold_off_gc
from gitmimo.git.repository import Repository
from gitmimo.ids import Oid
from gitmimo.journal import Journal, read_journal
from gitmimo.records import SessionResult
from gitmimo.workflow.directories import journal_path
from gitmimo.workflow.evaluate import open_evaluator
from gitmimo.workflow.gc import drop_branches
from gitmimo.workflow.journals import read_session
from gitmimo.workflow.land import result_tip, write_result
from gitmimo.workflow.progress import Observer, Progress, Watch, unobserved

_TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Landing:
    """What a merge did. `evidence` is there when the merged tree had to be tested again.

    Without it, and not a fast-forward, the branch held the change already.
    """

    commit: Oid
    branch: str
    fast_forward: bool
    evidence: Evidence | None = None


def merge_at_the_end(repository: Repository, config: Config, result: SessionResult, watch: Watch) -> SessionResult:
    """Merge because `start` was asked to; where a person is needed, say so and leave the result branch.

    A person is needed where the evidence does not settle the verdict.
    """
    verdict = result.verdict
    if verdict is None or not verdict.settled:
        watch.warn(f"not merged, needs a person: {'; '.join(verdict.doubts[:3] if verdict else ())}")
        return result
    try:
        merge_session(repository, config, result, observe=watch.observe)
    except (NeedsPerson, UsageError) as exc:
        watch.warn(f"not merged: {exc.message}")
        return result
    return replace(result, merged=True)


def merge_session(
    repository: Repository,
    config: Config,
    result: SessionResult,
    *,
    number: int | None = None,
    into: str | None = None,
    observe: Observer = unobserved,
) -> Landing:
    """Bring a session's result, or candidate `number` of it, into a branch. See `merge_result`."""
    branch = into or result.target_branch
    if branch is None:
        raise UsageError(
            "the session started from a detached HEAD", hint=f"git mimo merge {result.session} --into BRANCH"
        )
    path = journal_path(repository, result.session)
    with (
        hold_lock(repository.state_dir / "merge.lock"),
        contextlib.closing(Journal(path)) as journal,
        hold_off_gc(repository),
    ):
        repair_interrupted_merge(repository, path)
        _require_not_rejected(repository, result)
        tip = _tip_to_merge(repository, config, result, number, journal)
        observe(Progress(number=0, phase="merge", text=branch))
        recheck = functools.partial(_recheck, repository, config, result, branch)
        landing = merge_result(repository, result, tip, branch, recheck=recheck, journal=journal)
        journal.done("merged", result=replace(result, merged=True))
        if number is not None and (result.verdict is None or number != result.verdict.winner):
            journal.done("picked", candidate=number)  # the next dream learns from theirs
        drop_branches(repository, result, landing.commit)
        return landing


def _require_not_rejected(repository: Repository, result: SessionResult) -> None:
    with contextlib.suppress(JournalError):
        reason = read_session(repository, result.session).rejected
        if reason:
            raise NeedsPerson(
                f"session {result.session} was rejected: {reason}",
                hint=f"git merge {result.result_branch}   # by hand, if you changed your mind",
            )


def repair_interrupted_merge(repository: Repository, path: Path) -> None:
    """Take back what a merge in this journal left in a checkout when it was killed; the merge lock is held."""
    entries = [entry for entry in read_journal(path) if entry.event == "merged"]
    if entries and not entries[-1].done:
        begun = entries[-1]
        data = begun.data
        undo_interrupted_merge(
            repository, str(data["branch"]), Oid(data["expected"]), Oid(data["commit"]), since=begun.time.timestamp()
        )


def _recheck(repository: Repository, config: Config, result: SessionResult, branch: str, merged: Oid) -> Evidence:
    """Judge what a merge makes against the branch as it is now."""
    target = refs.read_ref(repository, f"refs/heads/{branch}")
    with contextlib.closing(open_evaluator(repository, config, target or result.base, result.session)) as evaluator:
        evaluator.measure_base()
        return evaluator.evaluate(merged)


def _tip_to_merge(
    repository: Repository, config: Config, result: SessionResult, number: int | None, journal: Journal
) -> Oid:
    winner = result.verdict.winner if result.verdict else None
    if number is None or number == winner:
        return result_tip(repository, result)
    chosen = result.candidate(number)
    if chosen is None or chosen.evidence is None:
        raise UsageError(f"session {result.session} has no judged candidate {number}")
    if not chosen.evidence.passed:
        failed = ", ".join(gate.name for gate in chosen.evidence.failed_gates)
        raise NeedsPerson(
            f"candidate {number} did not pass ({failed}), so it is not merged",
            hint=f"git merge {chosen.branch}   # by hand, on your own judgement",
        )
    name = f"candidate {number} {result.task}"  # the number in front: names are cut at their end
    prefix = config.text("branchPrefix")
    return write_result(repository, result, chosen, prefix=prefix, journal=journal, named=name)[1]


def undo_interrupted_merge(repository: Repository, branch: str, old: Oid, tip: Oid, *, since: float) -> None:
    """Undo an interrupted merge in the user's checkout; does nothing if the branch isn't checked out."""
    checkout = merge.find_checkout(repository, branch)
    if checkout is None:
        return
    fast_forward = merge.is_ancestor(repository, older=old, newer=tip)
    merged = repository.tree_of(tip) if fast_forward else merge.merge_in_memory(repository, ours=old, theirs=tip)
    merge.recover_interrupted_merge(
        repository,
        merge.InterruptedMerge(checkout=checkout, branch=branch, old=old, theirs=tip, merged=merged, since=since),
    )


def merge_recorded(repository: Repository, branch: str, tip: Oid, *, expected: Oid, message: str, command: str) -> Oid:
    """Merge, with its record: before a fast-forward, and after a merge, whose commit is not known until it is made."""
    is_fast_forward = merge.is_ancestor(repository, older=expected, newer=tip)

    def record(new: Oid) -> None:
        move = undo_log.RefMove(ref=ids.branch_ref(branch), old=expected, new=new)
        undo_log.record_moves(repository, command, [move])

    if is_fast_forward:
        record(tip)
    began = time.time()
    try:
        made = merge.merge_into_branch(repository, branch, tip, expected=expected, message=message)
    except RefMoved:
        raise
    except MimoError:
        undo_interrupted_merge(repository, branch, expected, tip, since=began)
        raise
    if not is_fast_forward:
        record(made)
    return made


def merge_result(
    repository: Repository,
    result: SessionResult,
    tip: Oid,
    target_branch: str,
    *,
    recheck: Callable[[Oid], Evidence],
    journal: Journal,
) -> Landing:
    """Bring a result into its branch: fast-forward where possible, else a merge whose tree was tested first.

    MergeConflict names the paths and leaves everything as it was; NeedsPerson when the checkout is not clean or the
    merged tree fails. A branch that moves meanwhile is tried again, a few times.
    """
    target_ref = ids.branch_ref(target_branch)
    message = f"Merge mimo session {result.session}: {result.task.splitlines()[0][:50]}"
    command = f"merge {result.session} into {target_branch}"
    for _ in range(_TRIES):
        target = refs.read_ref(repository, target_ref)
        if target is None:
            raise UsageError(f"the branch to merge into is gone: `{target_branch}`")
        if merge.is_ancestor(repository, older=tip, newer=target):
            return Landing(commit=target, branch=target_branch, fast_forward=True)
        fast_forward, evidence = merge.is_ancestor(repository, older=target, newer=tip), None
        if not fast_forward:
            merged = merge.merge_in_memory(repository, ours=target, theirs=tip)
            if merged == repository.tree_of(target):  # the same change came another way: nothing to test or to write
                return Landing(commit=target, branch=target_branch, fast_forward=False)
            evidence = recheck(merged)
            _require_passed(evidence, target_branch, tip)
        journal.intend("merged", branch=target_branch, expected=target, commit=tip)
        with contextlib.suppress(RefMoved):
            made = merge_recorded(repository, target_branch, tip, expected=target, message=message, command=command)
            return Landing(commit=made, branch=target_branch, fast_forward=fast_forward, evidence=evidence)
    raise RefMoved(target_ref, expected=None, hint=f"`{target_branch}` keeps moving; merge the result branch by hand")


def _require_passed(evidence: Evidence, target_branch: str, tip: Oid) -> None:
    if evidence.passed:
        return
    failed = ", ".join(f"{gate.name}: {gate.detail}" for gate in evidence.failed_gates)
    raise NeedsPerson(
        f"merged with `{target_branch}` as it is now, the result no longer passes ({failed})",
        hint=f"git diff {tip[:12]}...{target_branch}   # what the branch changed meanwhile",
    )
