"""post-merge and post-rewrite: notes follow to the new commits, and an index that a merge of ours left is made."""

from collections.abc import Callable

from gitmimo.git.repository import Repository
from gitmimo.hooks import carry
from gitmimo.workflow.remember import index_after_own_merge


def answer(repository: Repository, event: str, read_input: Callable[[], str]) -> None:
    """Do what follows a merge, or with `post-rewrite` an amend or a rebase."""
    if event == "post-rewrite":
        carry.after_rewrite(repository, read_input())
        return
    carry.after_merge(repository)
    index_after_own_merge(repository)
