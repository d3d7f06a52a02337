"""post-merge and post-rewrite: notes follow their changes to new commits, and a revert becomes an outcome."""

import re
from collections.abc import Sequence

from gitmimo.errors import RepoError
from gitmimo.git.refs import read_ref
from gitmimo.git.repository import Repository
from gitmimo.records import Oid, utc_now
from gitmimo.refnames import NOTES_REF
from gitmimo.workflow.evidence_notes import Outcome, copy_notes, record_outcome

MOST_COMMITS = 1000
_REVERTS = re.compile(r"^This reverts commit ([0-9a-f]{40})", re.MULTILINE)
_ID = re.compile(r"[0-9a-f]{40}\Z")


def after_merge(repository: Repository) -> dict[Oid, str]:
    """Carry notes to what the merge or pull brought, and record the reverts among it."""
    if read_ref(repository, NOTES_REF) is None:
        return {}
    before = repository.run("rev-parse", "--verify", "--quiet", "ORIG_HEAD", check=False).text
    span = ["HEAD", f"^{before}"] if _ID.match(before) and repository.has_object(before) else ["-n50", "HEAD"]
    listed = repository.run("rev-list", f"--max-count={MOST_COMMITS}", *span, check=False).text
    return follow(repository, [Oid(line) for line in listed.splitlines()])


def after_rewrite(repository: Repository, text: str) -> dict[Oid, str]:
    """Carry notes from commits to what `commit --amend` or `rebase` made of them.

    `text` is the hook's input; without it, as from the pre-commit framework, the newest commits are looked at.
    """
    if read_ref(repository, NOTES_REF) is None:
        return {}
    pairs = [line.split()[:2] for line in text.splitlines()]
    made = [Oid(pair[1]) for pair in pairs if len(pair) == 2 and _ID.match(pair[1])]
    if not made:
        return after_merge(repository)
    return follow(repository, list(dict.fromkeys(made))[:MOST_COMMITS])


def follow(repository: Repository, commits: Sequence[Oid]) -> dict[Oid, str]:
    """Do both for these commits: carry notes, record reverts."""
    carried = copy_notes(repository, commits)
    record_reverts(repository, commits)
    return carried


def record_reverts(repository: Repository, commits: Sequence[Oid]) -> tuple[Oid, ...]:
    """Record a revert among the commits as the outcome of what it reverts; name the reverted commits."""
    if not commits:
        return ()
    said = repository.run(
        "log", "--no-walk=unsorted", "--stdin", "--format=%x00%H%n%B", input="\n".join(commits).encode() + b"\n"
    ).text
    reverted = []
    for block in said.split("\0")[1:]:
        commit, _, message = block.partition("\n")
        for target in _REVERTS.findall(message):
            if not repository.has_object(target):
                continue
            outcome = Outcome(label="reverted", commit=commit, at=utc_now())
            try:
                if record_outcome(repository, Oid(target), outcome):
                    reverted.append(Oid(target))
            except RepoError:
                continue  # a damaged note must not stop a pull
    return tuple(reverted)
