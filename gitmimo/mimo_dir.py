"""The directory `.mimo/` of a tree: taken out, for products are compared without it, and put in."""

from collections.abc import Mapping

from gitmimo.git.objects import TREE
from gitmimo.git.repository import Repository
from gitmimo.git.trees import edit_tree, empty_tree, write_files
from gitmimo.ids import Oid

MIMO_DIR = ".mimo"


def without_mimo(repository: Repository, tree: Oid) -> Oid:
    """Return the tree without its top-level `.mimo/`."""
    return edit_tree(repository, tree, {MIMO_DIR: None})


def with_mimo_from(repository: Repository, tree: Oid, source: Oid) -> Oid:
    """Return the tree with `.mimo/` as `source` has it, or without when `source` has none."""
    found = repository.find_entry(source, MIMO_DIR)
    return edit_tree(repository, tree, {MIMO_DIR: None if found is None else (found.oid, found.mode)})


def with_mimo_files(repository: Repository, tree: Oid, source: Oid, files: Mapping[str, bytes]) -> Oid:
    """Return the tree with `.mimo/` as `source` has it and these files in it, whose paths begin with `.mimo/`."""
    found = repository.find_entry(source, MIMO_DIR)
    before = found.oid if found is not None and found.mode == TREE else empty_tree(repository)
    added = write_files(repository, before, {path.removeprefix(f"{MIMO_DIR}/"): data for path, data in files.items()})
    return edit_tree(repository, tree, {MIMO_DIR: (added, TREE)})
