"""The trees that a candidate was judged by, under a private ref: no commit of its branch holds them."""

from gitmimo.evidence import Evidence
from gitmimo.git import refs
from gitmimo.git.objects import TREE, Entry
from gitmimo.git.repository import Repository
from gitmimo.records import SessionId

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
