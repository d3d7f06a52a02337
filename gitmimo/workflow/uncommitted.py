"""What a person has not committed yet, as a commit that a session can start from."""

from gitmimo import mimo_dir
from gitmimo.git import commit, snapshot
from gitmimo.git.repository import Repository
from gitmimo.records import Oid


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
