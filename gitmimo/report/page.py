"""The review page: one self-contained HTML file with no script but its own."""

import base64
import hashlib
from importlib import resources

from markupsafe import Markup

from gitmimo import __version__
from gitmimo.git.repository import Repository
from gitmimo.ids import Oid
from gitmimo.records import SessionResult
from gitmimo.report.diff_html import DiffRenderer
from gitmimo.report.markup import render
from gitmimo.report.review_data import Product, ReviewData, read_review_data
from gitmimo.report.review_view import (
    STATUS_CLASS,
    candidates_of,
    failures_of,
    next_command,
    remarks_of,
    test_rows,
    used_text,
)
from gitmimo.report.summary import ERRORS, differences_of


def review_page(repository: Repository, result: SessionResult, *, refresh_s: int | None = None) -> str:
    """Read a session's diffs and steps from git and return its page.

    Content is inert: escaped, made visible, and no script but the page's own is allowed.
    """
    data = read_review_data(repository, result)
    body = render("review.html", version=__version__, **_values(repository, data))
    title = f"Review of {result.session}: {result.task.strip().partition(chr(10))[0][:80]}"
    return whole_page(title, body, refresh_s=refresh_s)


def _values(repository: Repository, data: ReviewData) -> dict[str, object]:
    """What the template shows of the session."""
    result = data.result
    judged = [candidate.evidence for candidate in result.candidates if candidate.evidence]
    diffs = DiffRenderer(repository)
    products = [_product(product, data, diffs) for product in data.products if product.same_as is None]
    first = _first(data, products)
    return {
        "result": result,
        "status_class": STATUS_CLASS.get(result.status.value, "warn"),
        "next_command": next_command(result),
        "used": used_text(result),
        "behaviour": differences_of(result),
        "errors": ERRORS,
        "attention": remarks_of(result),
        "failures": failures_of(result),
        "products": products,
        "first": first,
        "second": next((p["number"] for p in products if p["number"] != first), None),
        "candidates": candidates_of(data),
        "gates": list(dict.fromkeys(gate.name for evidence in judged for gate in evidence.gates)),
        "ranking": result.verdict.ranking if result.verdict else (),
        "critic": result.verdict.critic if result.verdict else None,
        "judged": bool(judged),
        "tests": list(test_rows(result)),
        "commands": list(dict.fromkeys(command for evidence in judged for command in evidence.commands)),
        "reproduce": "\n".join(_reproduce(result)),
    }


def whole_page(title: str, body: Markup, *, refresh_s: int | None = None) -> str:
    """Put a body into a document with the page's style and script, both named by hash in its content policy."""
    style, script = asset("page.css"), asset("page.js")
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


def asset(name: str) -> str:
    """The text of a file that ships with this package."""
    return resources.files("gitmimo.report").joinpath("assets", name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _first(data: ReviewData, products: list[dict[str, object]]) -> object:
    """The candidate whose changes are shown: the winner's, or those that it shares with an earlier one."""
    winner = data.result.winner
    shown = next((p for p in data.products if winner and p.number == winner.number), None)
    if shown is not None:
        return shown.number if shown.same_as is None else shown.same_as
    return products[0]["number"] if products else None


def _product(product: Product, data: ReviewData, diffs: DiffRenderer) -> dict[str, object]:
    candidate = next(c for c in data.result.candidates if c.number == product.number)
    critic = data.result.verdict.critic if data.result.verdict else None
    comments = critic.comments if critic else {}
    mine = {key.partition(":")[2]: text for key, text in comments.items() if key.startswith(f"{product.number}:")}
    restored = candidate.evidence.restored_paths if candidate.evidence else ()
    is_there = product.tree is not None and data.base_tree is not None and not product.missing
    return {
        "number": product.number,
        "files": product.files,
        "added": sum(file.change.added for file in product.files),
        "removed": sum(file.change.removed for file in product.files),
        "same": [p.number for p in data.products if p.same_as == product.number],
        "comment": comments.get(str(product.number), ""),
        "missing": "" if is_there else product.missing or "it made no commit",
        "diff": diffs.files(
            product.files,
            prefix=f"d{product.number}",
            trees=(Oid(data.base_tree or ""), Oid(product.tree or "")),
            comments=mine,
            notes=dict.fromkeys(restored, "Protected: this change is left out, base's version was tested."),
        )
        if is_there
        else "",
    }


def _reproduce(result: SessionResult) -> list[str]:
    lines = [f"git mimo show {result.session}", f"git mimo review {result.session}"]
    if result.result_branch:
        lines += [f"git switch {result.result_branch}", f"git mimo ci --base {result.base[:12]}"]
    winner = result.winner
    return [*lines, *(winner.evidence.commands if winner and winner.evidence else ())]
