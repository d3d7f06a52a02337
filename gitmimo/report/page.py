"""The review page: one session as a self-contained HTML file, with no script but its own."""

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import resources

from markupsafe import Markup

from gitmimo import __version__
from gitmimo.errors import JournalError, RepoError
from gitmimo.evidence import TestOutcome
from gitmimo.git.repository import Repository
from gitmimo.git.trees import without_mimo
from gitmimo.ids import Oid, SessionStatus
from gitmimo.records import CandidateResult, SessionResult, Step
from gitmimo.report.diff_html import DiffRenderer, FileDiff, read_diff
from gitmimo.report.markup import render
from gitmimo.report.summary import differences_of, failures_of, remarks_of, used_text
from gitmimo.text import counted
from gitmimo.workflow.history import find_tip, read_steps

_MOST_TESTS = 200  # rows of one candidate and kind


@dataclass(slots=True, kw_only=True)
class Product:
    """What the page shows of one candidate's changes; `same` are later candidates that reached the same tree."""

    number: int
    files: tuple[FileDiff, ...] = ()
    diff: Markup = Markup("")
    same: list[int] = field(default_factory=list)
    missing: str = ""  # why nothing is shown


def review_page(repository: Repository, result: SessionResult, *, refresh_s: int | None = None) -> str:
    """Read a session's diffs and steps from git and return its page; missing objects are named, not an error.

    Content is inert: escaped, made visible, and no script but the page's own is allowed.
    """
    judged = [candidate.evidence for candidate in result.candidates if candidate.evidence]
    products = _products(repository, result)
    winner = result.winner.number if result.winner else None
    first = next(
        (p.number for p in products if winner in (p.number, *p.same)), products[0].number if products else None
    )
    steps, damaged = _steps(repository, result)
    body = render(
        "review.html",
        version=__version__,
        result=result,
        next_command=next_command(result),
        used=used_text(result),
        behaviour=differences_of(result),
        attention=remarks_of(result),
        failures=list(failures_of(result)),
        products=products,
        first=first,
        second=next((p.number for p in products if p.number != first), None),
        steps=steps,
        damaged=damaged,
        gates=list(dict.fromkeys(gate.name for evidence in judged for gate in evidence.gates)),
        gates_of={c.number: {g.name: g for g in c.evidence.gates} if c.evidence else {} for c in result.candidates},
        ranking=result.verdict.ranking if result.verdict else (),
        critic=result.verdict.critic if result.verdict else None,
        judged=bool(judged),
        tests=list(_test_rows(result)),
        commands=list(dict.fromkeys(command for evidence in judged for command in evidence.commands)),
        reproduce="\n".join(_reproduce(result)),
    )
    title = f"Review of {result.session}: {result.task.strip().partition(chr(10))[0][:80]}"
    return whole_page(title, body, refresh_s=refresh_s)


def whole_page(title: str, body: Markup, *, refresh_s: int | None = None) -> str:
    """Put a body into a document with the page's style and script, both named by hash in its content policy."""
    style, script = _asset("page.css"), _asset("page.js")
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; base-uri 'none'; "
        f"form-action 'none'; img-src 'none'; connect-src 'none'; frame-src 'none'; object-src 'none'"
    )
    return render(
        "document.html",
        title=title,
        body=body,
        policy=Markup(policy),
        style=Markup(style),
        script=Markup(script),
        refresh_s=refresh_s,
    )


def next_command(result: SessionResult) -> tuple[str, str]:
    """The command that comes next, with a remark on it; empty where none does."""
    if result.merged:
        return "", ""
    if result.result_branch:
        doubtful = result.status is not SessionStatus.PASSED
        return f"git mimo merge {result.session}", "needs a person: read the doubts first" if doubtful else ""
    if result.status is SessionStatus.RUNNING:
        return f"git mimo watch {result.session}", "shows what it does until it ends"
    if result.status in (SessionStatus.STOPPED, SessionStatus.INTERRUPTED, SessionStatus.BUDGET):
        return f"git mimo resume {result.session}", "goes on where it ended"
    return "", ""


def _asset(name: str) -> str:
    return resources.files("gitmimo.report").joinpath("assets", name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _products(repository: Repository, result: SessionResult) -> list[Product]:
    """What each candidate changed, equal products once."""
    base = result.base if result.base and repository.has_object(result.base) else None
    base_tree = without_mimo(repository, repository.tree_of(base)) if base else None
    critic = result.verdict.critic if result.verdict else None
    diffs = DiffRenderer(repository)
    products: list[Product] = []
    by_tree: dict[Oid, Product] = {}
    for candidate in result.candidates:
        tree = _tree_of(repository, result, candidate)
        if tree in by_tree:
            by_tree[tree].same.append(candidate.number)
            continue
        product = Product(number=candidate.number)
        products.append(product)
        if tree is None or base_tree is None:
            is_there = candidate.commit or candidate.tree
            product.missing = "its objects are not in this clone" if is_there else "it made no commit"
            continue
        by_tree[tree] = product
        product.files = read_diff(repository, base_tree, tree)
        product.diff = diffs.render(
            product.files,
            prefix=f"d{candidate.number}",
            trees=(base_tree, tree),
            comments={
                key.partition(":")[2]: text
                for key, text in (critic.comments if critic else {}).items()
                if key.startswith(f"{candidate.number}:")
            },
            restored=candidate.evidence.restored_paths if candidate.evidence else (),
        )
    return products


def _tree_of(repository: Repository, result: SessionResult, candidate: CandidateResult) -> Oid | None:
    for tree in (candidate.evidence.tree if candidate.evidence else None, candidate.tree):
        if tree and repository.has_object(tree):
            return tree
    tip = find_tip(repository, result.session, candidate)
    return without_mimo(repository, repository.tree_of(tip)) if tip else None


def _steps(repository: Repository, result: SessionResult) -> tuple[dict[int, tuple[Step, ...]], dict[int, str]]:
    """Each candidate's steps, or what is wrong with the record of them."""
    steps, damaged = {}, {}
    for candidate in result.candidates:
        try:
            steps[candidate.number] = read_steps(repository, result, candidate)
        except (JournalError, RepoError) as exc:
            damaged[candidate.number] = exc.message
    return steps, damaged


def _test_rows(result: SessionResult) -> Iterator[tuple[int, str, str, str, str]]:
    """Tests whose result differs between base and product: candidate, test, before, after, style."""
    passed, failed = TestOutcome.PASSED.value, TestOutcome.FAILED.value
    for candidate in result.candidates:
        evidence = candidate.evidence
        if evidence is None:
            continue
        for names, before, after, style in (
            (evidence.broken_ids, passed, failed, "bad"),
            (evidence.missing_ids, passed, "not run", "bad"),
            (evidence.fixed_ids, failed, passed, "good"),
            (evidence.flaky_ids, "differs from run to run", "set aside", "quiet"),
        ):
            left_out = len(names) - _MOST_TESTS
            more = [counted(left_out, "more test")] if left_out > 0 else []
            for name in [*names[:_MOST_TESTS], *more]:
                yield candidate.number, name, before, after, style


def _reproduce(result: SessionResult) -> list[str]:
    lines = [f"git mimo show {result.session}", f"git mimo review {result.session}"]
    if result.result_branch:
        lines += [f"git switch {result.result_branch}", f"git mimo ci --base {result.base[:12]}"]
    winner = result.winner
    return [*lines, *(winner.evidence.commands if winner and winner.evidence else ())]
