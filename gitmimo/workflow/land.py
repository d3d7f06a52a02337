"""Landing: the result branch with its evidence, and the merge into the user's branch. Nothing else moves those."""

import re
import textwrap
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from gitmimo import mimo_dir, refnames
from gitmimo.codec import dump_json, to_json
from gitmimo.errors import MimoError, NeedsPerson, RefMoved, UsageError
from gitmimo.evidence import Evidence
from gitmimo.git import commit, merge, notes, refs, undo_log
from gitmimo.git.objects import TREE, Entry
from gitmimo.git.repository import Repository
from gitmimo.journal import Journal, read_journal
from gitmimo.records import Oid, SessionId
from gitmimo.results import CandidateResult, SessionResult

SUBJECT_LENGTH = 72
KEPT_TREES = "refs/mimo/trees/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Landing:
    """What a merge did. `evidence` is there when the merged tree had to be tested again."""

    commit: Oid
    branch: str
    fast_forward: bool
    evidence: Evidence | None = None


def keep_trees(repository: Repository, session: SessionId, number: int, evidence: Evidence) -> None:
    """Keep the product and the tree that was tested, so that a result, or a review, can be made of them later."""
    trees = {"product": evidence.tree, "tested": evidence.tested_tree}
    trees |= {"result": evidence.result_tree} if evidence.result_tree else {}
    trees |= {"tests": evidence.tests_tree} if evidence.tests_tree else {}
    made = repository.write_tree(Entry(name, TREE, tree) for name, tree in sorted(trees.items()))
    ref = f"{KEPT_TREES}{session}/{number}"
    before = refs.read_ref(repository, ref)
    if before != made:
        refs.update_ref(repository, ref, made, expected=before, reason="mimo: candidate judged")


def write_result(
    repository: Repository,
    result: SessionResult,
    candidate: CandidateResult,
    *,
    prefix: str,
    journal: Journal,
    named: str = "",
) -> tuple[str, Oid]:
    """Publish base, change and changed tests as the result branch, by one ref; return branch and tip.

    The change commit's tree is what was tested, the product with protected paths from base, and the candidate's new
    tests. What it changed in existing tests is a commit of its own, so that a person can look at it, or leave it out.
    The branch is called after the task, or as `named`.
    """
    evidence = candidate.evidence
    if evidence is None:
        raise UsageError(f"candidate {candidate.number} has no evidence")
    branch = refnames.branch_ref(refnames.result_branch(result.session, named or result.task, prefix=prefix))
    before = _published(repository, branch, journal)
    if before is not None:
        return refnames.short_name(branch), before
    base_tree = repository.tree_of(result.base)
    trees = [mimo_dir.with_mimo_from(repository, evidence.result_tree or evidence.tested_tree, base_tree)]
    messages = [change_message(result, candidate, evidence)]
    if evidence.tests_tree is not None:
        trees.append(mimo_dir.with_mimo_from(repository, evidence.tests_tree, base_tree))
        messages.append(tests_message(result, evidence) if trees[0] != base_tree else messages[0])
    tip, made, before_tree = result.base, [], base_tree
    for whole, message in zip(trees, messages, strict=True):
        if whole != before_tree:
            tip, before_tree = commit.write_commit(repository, tree=whole, parents=(tip,), message=message), whole
            made.append(tip)
    note = dump_json({"schema": "git-mimo/note/1", "session": result.session, "candidate": candidate.number,
                      "evidence": evidence, "verdict": result.verdict})  # fmt: skip
    journal.intend("landed", branch=branch, commit=tip)
    for target in dict.fromkeys((*made, evidence.tree, mimo_dir.without_mimo(repository, evidence.landed_tree))):
        notes.write_note(repository, target, note)
    move_recorded(repository, f"result of {result.session}", branch, old=None, new=tip)
    return refnames.short_name(branch), tip


def _published(repository: Repository, branch: str, journal: Journal) -> Oid | None:
    """The tip of a result branch that this session made before, also when a person built on it since."""
    tip = refs.read_ref(repository, branch)
    if tip is None:
        return None
    for entry in read_journal(journal.path):
        if entry.event == "landed" and not entry.done and entry.data["branch"] == branch:
            made = Oid(entry.data["commit"])
            if merge.is_ancestor(repository, older=made, newer=tip):
                return tip
    raise RefMoved(
        branch, expected=None, hint=f"git branch -m {refnames.short_name(branch)} {refnames.short_name(branch)}-old"
    )


def move_recorded(repository: Repository, command: str, ref: str, *, old: Oid | None, new: Oid | None) -> None:
    """Move one ref, with a record from which `git mimo undo` takes it back."""
    move = undo_log.RefMove(ref=ref, old=old, new=new)
    undo_log.write_operation(repository, undo_log.new_operation_id(), command=command, moves=[move])
    undo_log.apply_move(repository, move, reason=f"mimo: {command}")


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
    ref = refnames.branch_ref(branch)
    id, known = undo_log.new_operation_id(), merge.is_ancestor(repository, older=expected, newer=tip)
    if known:
        undo_log.write_operation(
            repository, id, command=command, moves=[undo_log.RefMove(ref=ref, old=expected, new=tip)]
        )
    began = time.time()
    try:
        made = merge.merge_into_branch(repository, branch, tip, expected=expected, message=message)
    except RefMoved:
        raise
    except MimoError:
        undo_interrupted_merge(repository, branch, expected, tip, since=began)
        raise
    if not known:
        undo_log.write_operation(
            repository, id, command=command, moves=[undo_log.RefMove(ref=ref, old=expected, new=made)]
        )
    return made


def change_message(result: SessionResult, candidate: CandidateResult, evidence: Evidence) -> str:
    """Write the squashed commit's message: the candidate's title, or the task's first line, as subject.

    The body is what was done and the task, the trailers are the evidence.
    """
    subject = subject_of(result.task, candidate)
    body = []
    if candidate.summary.strip():
        body.append(_wrap(candidate.summary.strip()[:1000]))
    if " ".join(result.task.split()) != subject:
        body.append("Task:\n" + _wrap(result.task.strip()[:1000]))
    message = "\n\n".join([subject, *body]) + "\n"
    trailers = {
        "Mimo-Session": str(result.session),
        "Mimo-Candidate": f"{candidate.number}/{max(len(result.candidates), candidate.number)}",
        "Mimo-Verdict": f"{'pass' if evidence.passed else 'fail'} {evidence.tests_passed}/{evidence.tests_run} "
        f"{evidence.tree[:12]}",
    }
    if result.skill and candidate.number == 0:
        trailers["Mimo-Skill"] = result.skill
    if candidate.agent != "mimo":
        trailers["Mimo-Agent"] = candidate.agent
    if candidate.model:
        trailers["Assisted-by"] = f"git-mimo:{candidate.model}"
    return commit.add_trailers(message, trailers)


def subject_of(task: str, candidate: CandidateResult) -> str:
    """A commit's subject: the title that the candidate gave its change, else the task's first line."""
    first = next((line for line in task.splitlines() if line.strip()), "change")
    return _shorten(candidate.title.strip() or first.strip(), SUBJECT_LENGTH)


def tests_message(result: SessionResult, evidence: Evidence) -> str:
    """Write the message of the commit that holds the changes to existing tests."""
    listed = "\n".join(f"- {path}" for path in evidence.changed_tests)
    text = f"Change existing tests with it\n\nThe base's versions were judged by as well.\n\n{listed}\n"
    return commit.add_trailers(text, {"Mimo-Session": str(result.session)})


def merge_result(
    repository: Repository,
    *,
    tip: Oid,
    base: Oid,
    target_branch: str,
    message: str,
    command: str,
    recheck: Callable[[Oid], Evidence],
    journal: Journal,
    tries: int = 3,
) -> Landing:
    """Bring a result into its branch: fast-forward where possible, else a merge whose tree was tested first.

    MergeConflict names the paths and leaves everything as it was; NeedsPerson when the checkout is not clean or the
    merged tree fails. A branch that moves meanwhile is tried again, `tries` times.
    """
    target_ref = f"refs/heads/{target_branch}"
    for _ in range(tries):
        target = refs.read_ref(repository, target_ref)
        if target is None:
            raise UsageError(f"the branch to merge into is gone: `{target_branch}`")
        if merge.is_ancestor(repository, older=tip, newer=target):
            return Landing(commit=target, branch=target_branch, fast_forward=True)
        fast_forward = merge.is_ancestor(repository, older=target, newer=tip)
        evidence = None
        if not fast_forward:
            merged = merge.merge_in_memory(repository, ours=target, theirs=tip)
            evidence = recheck(merged)
            if not evidence.passed:
                failed = ", ".join(f"{gate.name}: {gate.detail}" for gate in evidence.failed_gates)
                raise NeedsPerson(
                    f"merged with `{target_branch}` as it is now, the result no longer passes ({failed})",
                    hint=f"git merge-base {target_branch} {tip[:12]}  # where they parted",
                )
        journal.intend("merged", branch=target_branch, expected=target, commit=tip)
        try:
            commit_id = merge_recorded(
                repository, target_branch, tip, expected=target, message=message, command=command
            )
        except RefMoved:
            continue
        return Landing(commit=commit_id, branch=target_branch, fast_forward=fast_forward, evidence=evidence)
    raise RefMoved(target_ref, expected=None, hint=f"`{target_branch}` keeps moving; merge the result branch by hand")


def with_landing(result: SessionResult) -> SessionResult:
    """The session's result once its change is in the user's branch."""
    return replace(result, merged=True)


def result_json(result: SessionResult) -> dict[str, object]:
    """The published form of a session: `git-mimo/start/1`."""
    value = to_json(result)
    winner = result.verdict.winner if result.verdict else None
    return {
        "schema": "git-mimo/start/1",
        "session": value["session"],
        "status": value["status"],
        "task": value["task"],
        "base": value["base"],
        "result_branch": value["result_branch"],
        "result_commit": value["result_commit"],
        "winner": winner,
        "merged": value["merged"],
        "skill": value["skill"],
        "candidates": [
            {
                "n": c["number"],
                "agent": c["agent"],
                "branch": c["branch"],
                "commit": c["commit"],
                "model": c["model"],
                "approach": c["approach"],
                "status": c["status"],
                "steps": c["steps"],
                "tokens": c["usage"],
                "usd": c["cost_usd"],
                "seconds": c["seconds"],
                "tree": c["tree"],
                "summary": c["summary"],
                "evidence": c["evidence"],
            }
            for c in value["candidates"]
        ],
        "verdict": value["verdict"],
        "usd": value["cost_usd"],
        "seconds": value["seconds"],
        "llm_calls": value["llm_calls"],
        "message": value["message"],
    }


def _shorten(text: str, length: int) -> str:
    text = re.sub(r"\s+", " ", text).strip().rstrip(".")
    return text if len(text) <= length else textwrap.shorten(text, length, placeholder="…") or text[: length - 1] + "…"


def _wrap(text: str) -> str:
    """Prose in lines of 72 characters; indented lines and fenced blocks are code and stay."""
    is_code, lines = False, []
    for line in text.splitlines():
        is_fence = line.lstrip().startswith("```")
        is_code = is_code != is_fence
        lines.append(line if is_code or is_fence or line[:1] in (" ", "\t") else textwrap.fill(line, 72))
    return "\n".join(lines)
