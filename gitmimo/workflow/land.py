"""Landing: the result branch with its evidence, and the merge into the user's branch. Nothing else moves those."""

import textwrap

from gitmimo import ids
from gitmimo.errors import RefMoved, UsageError
from gitmimo.evidence import Evidence
from gitmimo.git import commit, merge, refs, undo_log
from gitmimo.git.repository import TREE, Entry, Repository
from gitmimo.git.trees import with_mimo_from, without_mimo
from gitmimo.ids import Oid, SessionId
from gitmimo.journal import Journal, read_journal
from gitmimo.records import CandidateResult, SessionResult
from gitmimo.text import one_line
from gitmimo.workflow.evidence_notes import EvidenceNote, write_evidence

SUBJECT_LENGTH = 72
KEPT_TREES = "refs/mimo/trees/"


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
    branch = ids.branch_ref(ids.result_branch(result.session, named or result.task, prefix=prefix))
    before = _published(repository, branch, journal)
    if before is not None:
        return ids.short_name(branch), before
    base_tree = repository.tree_of(result.base)
    trees = [with_mimo_from(repository, evidence.result_tree or evidence.tested_tree, base_tree)]
    messages = [change_message(result, candidate, evidence)]
    if evidence.tests_tree is not None:
        trees.append(with_mimo_from(repository, evidence.tests_tree, base_tree))
        messages.append(tests_message(result, evidence) if trees[0] != base_tree else messages[0])
    tip, made, before_tree = result.base, [], base_tree
    for whole, message in zip(trees, messages, strict=True):
        if whole != before_tree:
            tip, before_tree = commit.write_commit(repository, tree=whole, parents=(tip,), message=message), whole
            made.append(tip)
    note = EvidenceNote(session=result.session, candidate=candidate.number, evidence=evidence, verdict=result.verdict)
    trees_of_it = (evidence.tree, without_mimo(repository, evidence.landed_tree))
    journal.intend("landed", branch=branch, commit=tip)
    write_evidence(repository, trees_of_it, note, commits=made)
    move = undo_log.RefMove(ref=branch, old=None, new=tip)
    undo_log.move_recorded(repository, f"result of {result.session}", [move])
    return ids.short_name(branch), tip


def result_tip(repository: Repository, result: SessionResult) -> Oid:
    """The result branch's commit. UsageError when the session has no result."""
    tip = refs.read_ref(repository, ids.branch_ref(result.result_branch)) if result.result_branch else None
    tip = tip or result.result_commit
    if tip is None or result.result_branch is None:
        raise UsageError(
            f"session {result.session} has no result: no candidate passed",
            hint=f"git mimo show {result.session}\ngit mimo merge {result.session} N   # one that passed",
        )
    return tip


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
    raise RefMoved(branch, expected=None, hint=f"git branch -m {ids.short_name(branch)} {ids.short_name(branch)}-old")


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
    tests = f"{evidence.tests_passed}/{evidence.tests_run}" if evidence.tests_run else "exit-code"
    trailers = {
        "Mimo-Session": str(result.session),
        "Mimo-Candidate": f"{candidate.number}/{max(len(result.candidates), candidate.number)}",
        "Mimo-Verdict": f"{'pass' if evidence.passed else 'fail'} {tests} {evidence.tree[:12]}",
    }
    if result.skill and candidate.number == 0:
        trailers["Mimo-Skill"] = result.skill
    if candidate.agent != "mimo":
        trailers["Mimo-Agent"] = candidate.agent
    if candidate.model:
        trailers["Assisted-by"] = f"git-mimo:{candidate.model}"
    return commit.add_trailers(message, trailers)


def subject_of(task: str, candidate: CandidateResult | None) -> str:
    """A commit's subject: the title that the candidate gave its change, else the task's first line."""
    first = next((line for line in task.splitlines() if line.strip()), "change")
    text = " ".join(((candidate.title if candidate else "").strip() or first).split()).rstrip(".")
    shortened = textwrap.shorten(text, SUBJECT_LENGTH, placeholder="…")
    return shortened if len(shortened) > 1 else one_line(text, SUBJECT_LENGTH)


def tests_message(result: SessionResult, evidence: Evidence) -> str:
    """Write the message of the commit that holds the changes to existing tests."""
    listed = "\n".join(f"- {path}" for path in evidence.changed_tests)
    text = f"Change existing tests with it\n\nThe base's versions were judged by as well.\n\n{listed}\n"
    return commit.add_trailers(text, {"Mimo-Session": str(result.session)})


def _wrap(text: str) -> str:
    """Prose in lines of 72 characters; indented lines and fenced blocks are code and stay."""
    is_code, lines = False, []
    for line in text.splitlines():
        is_fence = line.lstrip().startswith("```")
        is_code = is_code != is_fence
        lines.append(line if is_code or is_fence or line[:1] in (" ", "\t") else textwrap.fill(line, 72))
    return "\n".join(lines)
