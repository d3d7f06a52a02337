"""Everything the review page shows of one session, read from git before any HTML is made."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field

from gitmimo.errors import JournalError, RepoError
from gitmimo.evidence import FileChange
from gitmimo.git.diff import DiffLine, diff_facts, file_sections
from gitmimo.git.repository import Repository
from gitmimo.git.trees import without_mimo
from gitmimo.ids import Oid
from gitmimo.records import CandidateResult, SessionResult, Step
from gitmimo.workflow.history import find_tip, read_steps


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDiff:
    """The changes of one file. `remarks` are git's words about modes, renames and binary content."""

    change: FileChange
    lines: tuple[DiffLine, ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """A candidate's product. `same_as` names an earlier candidate that reached the same tree."""

    number: int
    tree: Oid | None = None
    files: tuple[FileDiff, ...] = ()
    same_as: int | None = None
    missing: str = ""  # why nothing is shown


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewData:
    """A session with its diffs and steps."""

    result: SessionResult
    base_tree: Oid | None = None
    products: tuple[Product, ...] = ()
    steps: Mapping[int, tuple[Step, ...]] = field(default_factory=dict)
    damaged: Mapping[int, str] = field(default_factory=dict)  # candidate -> what is wrong with its record


def read_review_data(repository: Repository, result: SessionResult) -> ReviewData:
    """Read the data of a session's page; missing objects are named, not an error."""
    base = result.base if result.base and repository.has_object(result.base) else None
    base_tree = without_mimo(repository, repository.tree_of(base)) if base else None
    products: list[Product] = []
    steps: dict[int, tuple[Step, ...]] = {}
    damaged: dict[int, str] = {}
    for candidate in result.candidates:
        products.append(_product(repository, base_tree, candidate, result, products))
        try:
            steps[candidate.number] = read_steps(repository, result, candidate)
        except (JournalError, RepoError) as exc:
            damaged[candidate.number] = exc.message
    return ReviewData(
        result=result,
        base_tree=base_tree,
        products=tuple(products),
        steps=steps,
        damaged=damaged,
    )


def read_diff(repository: Repository, old: Oid, new: Oid) -> tuple[FileDiff, ...]:
    """Return the difference of two trees file by file."""
    changes = diff_facts(repository, old, new).files
    rest = (section for _, section in file_sections(repository, old, new))
    found = []
    for change in changes:
        # both go through the files in one order; a file that turns into a link, or back, has two sections
        sections = list(itertools.islice(rest, 2 if change.status == "T" else 1))
        remarks = [remark for section in sections for remark in section.remarks]
        remarks += ["too large to be shown"] if any(section.is_too_large for section in sections) else []
        lines = tuple(line for section in sections for line in section.lines)
        found.append(FileDiff(change=change, lines=lines, remarks=tuple(remarks)))
    return tuple(found)


def _product(
    repository: Repository,
    base_tree: Oid | None,
    candidate: CandidateResult,
    result: SessionResult,
    earlier: list[Product],
) -> Product:
    tree = _tree_of(repository, candidate, result)
    if tree is None or base_tree is None:
        what = "its objects are not in this clone" if candidate.commit or candidate.tree else "it made no commit"
        return Product(number=candidate.number, missing=what)
    for product in earlier:
        if product.tree == tree and product.same_as is None:
            return Product(number=candidate.number, tree=tree, same_as=product.number)
    return Product(number=candidate.number, tree=tree, files=read_diff(repository, base_tree, tree))


def _tree_of(repository: Repository, candidate: CandidateResult, result: SessionResult) -> Oid | None:
    for tree in (candidate.evidence.tree if candidate.evidence else None, candidate.tree):
        if tree and repository.has_object(tree):
            return tree
    tip = find_tip(repository, result.session, candidate)
    return without_mimo(repository, repository.tree_of(tip)) if tip else None
