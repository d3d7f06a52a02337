"""A session's result, or one of its candidates, into a branch of the user's."""

import contextlib
import functools
from collections.abc import Callable
from pathlib import Path

from gitmimo.config import Config
from gitmimo.errors import JournalError, NeedsPerson, UsageError
from gitmimo.evidence import Evidence
from gitmimo.git import refs
from gitmimo.git.keep_objects import keep_objects
from gitmimo.git.repository import Repository
from gitmimo.journal import Journal, read_journal
from gitmimo.locks import hold_lock
from gitmimo.records import Oid, utc_now
from gitmimo.results import SessionResult
from gitmimo.workflow import land
from gitmimo.workflow.evaluate import SessionEvaluator, open_evaluator
from gitmimo.workflow.evidence_notes import Outcome, record_outcome
from gitmimo.workflow.history import read_session, sessions_directory
from gitmimo.workflow.progress import Observer, Progress
from gitmimo.workflow.session_branches import drop_branches


def merge_at_the_end(
    repository: Repository,
    config: Config,
    result: SessionResult,
    judge: SessionEvaluator | None = None,
    *,
    observe: Observer,
    warn: Callable[[str], None],
) -> SessionResult:
    """Merge because `start` was asked to; where a person is needed, say so and leave the result branch.

    A person is needed where the evidence does not settle the verdict.
    """
    verdict = result.verdict
    if verdict is None or not verdict.settled:
        warn(f"not merged, needs a person: {'; '.join(verdict.doubts[:3] if verdict else ())}")
        return result
    try:
        merge_session(repository, config, result, observe=observe, judge=judge)
    except (NeedsPerson, UsageError) as exc:
        warn(f"not merged: {exc.message}")
        return result
    return land.with_landing(result)


def merge_session(
    repository: Repository,
    config: Config,
    result: SessionResult,
    *,
    number: int | None = None,
    into: str | None = None,
    observe: Observer,
    judge: SessionEvaluator | None = None,
) -> land.Landing:
    """Bring a session's result, or candidate `number` of it, into a branch. See `land.merge_result`."""
    branch = into or result.target_branch
    if branch is None:
        raise UsageError(
            "the session started from a detached HEAD", hint=f"git mimo merge {result.session} --into BRANCH"
        )
    path = sessions_directory(repository) / result.session / "journal.jsonl"
    with (
        hold_lock(repository.state_dir / "merge.lock"),
        contextlib.closing(Journal(path)) as journal,
        keep_objects(repository),
    ):
        repair_interrupted_merge(repository, path)
        _require_not_rejected(repository, result)
        tip = _tip_to_merge(repository, config, result, number, journal)
        observe(Progress(number=0, phase="merge", text=branch))
        landing = land.merge_result(
            repository,
            tip=tip,
            base=result.base,
            target_branch=branch,
            message=f"Merge mimo session {result.session}: {result.task.splitlines()[0][:50]}",
            command=f"merge {result.session} into {branch}",
            recheck=functools.partial(_recheck, repository, config, result, branch),
            journal=journal,
        )
        journal.done("merged", result=land.with_landing(result))
        _note_choice(repository, result, number, landing.commit, journal)
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


def _note_choice(
    repository: Repository, result: SessionResult, number: int | None, merged: Oid, journal: Journal
) -> None:
    """Record that a person merged another candidate than the verdict's: the next dream learns from theirs."""
    winner = result.verdict.winner if result.verdict else None
    if number is None or number == winner:
        return
    journal.done("picked", candidate=number)
    if result.result_commit is not None:
        reason = f"candidate {number} was merged instead of {winner}"
        outcome = Outcome(label="passed_over", commit=merged, reason=reason, at=utc_now())
        record_outcome(repository, result.result_commit, outcome)


def repair_interrupted_merge(repository: Repository, path: Path) -> None:
    """Take back what a merge in this journal left in a checkout when it was killed; the merge lock is held."""
    entries = [entry for entry in read_journal(path) if entry.event == "merged"]
    if entries and not entries[-1].done:
        begun = entries[-1]
        data = begun.data
        land.undo_interrupted_merge(
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
        tip = refs.read_ref(repository, f"refs/heads/{result.result_branch}") if result.result_branch else None
        tip = tip or result.result_commit
        if tip is None:
            raise UsageError(
                f"session {result.session} has no result: no candidate passed",
                hint=f"git mimo show {result.session}\ngit mimo merge {result.session} N   # one that passed",
            )
        return tip
    chosen = next((c for c in result.candidates if c.number == number), None)
    if chosen is None or chosen.evidence is None:
        raise UsageError(f"session {result.session} has no judged candidate {number}")
    if not chosen.evidence.passed:
        failed = ", ".join(gate.name for gate in chosen.evidence.failed_gates)
        raise NeedsPerson(
            f"candidate {number} did not pass ({failed}), so it is not merged",
            hint=f"git merge {chosen.branch}   # by hand, on your own judgement",
        )
    branch, tip = land.write_result(
        repository,
        result,
        chosen,
        prefix=config.text("branchPrefix"),
        journal=journal,
        named=f"candidate {number} {result.task}",  # in front: names are cut at their end
    )
    return tip
