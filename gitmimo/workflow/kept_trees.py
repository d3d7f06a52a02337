"""The trees that a candidate was judged by, under a private ref: no commit of its branch holds them."""

from gitmimo.evidence import Evidence
from gitmimo.git import refs
from gitmimo.git.objects import TREE, Entry
from gitmimo.git.repository import Repository
from gitmimo.records import SessionId

KEPT_TREES = "refs/mimo/trees/"


def keep_trees(repository: Repository, session: SessionId, number: int, evidence: Evidence) -> None:
    """Keep the product and the tree that was tested, so that a result, or a review, can be made of them later."""
    both = (Entry("product", TREE, evidence.tree), Entry("tested", TREE, evidence.tested_tree))
    made = repository.write_tree(both)
    ref = f"{KEPT_TREES}{session}/{number}"
    before = refs.read_ref(repository, ref)
    if before != made:
        refs.update_ref(repository, ref, made, expected=before, reason="mimo: candidate judged")
