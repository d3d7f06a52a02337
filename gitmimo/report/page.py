"""The review page: one HTML file that asks nobody for anything and runs nothing but its own script."""

import base64
import hashlib
from importlib import resources

from gitmimo import __version__
from gitmimo.git.repository import Repository
from gitmimo.records import Oid
from gitmimo.report.changes import DiffRenderer, counts, escaped_path
from gitmimo.report.html import Markup, escape, join, prose, tag
from gitmimo.report.material import Material, Product, read_material
from gitmimo.report.summary import attention, header, scroller, tests_section, verdict_section, winner_of
from gitmimo.report.timeline import StepRenderer, plots_section
from gitmimo.results import CandidateResult, SessionResult

_SECTIONS = (
    ("verdict", "Verdict"),
    ("changes", "Changes"),
    ("candidates", "Candidates"),
    ("tests", "Tests"),
    ("timeline", "Timeline"),
    ("learned", "Memory"),
    ("reproduce", "Reproduce"),
)


def review_page(
    repository: Repository, result: SessionResult, *, say: Markup | None = None, refresh_s: int | None = None
) -> str:
    """Read a session's diffs and steps from git and return its page; `say` is a section with forms, for a server."""
    return render_page(repository, read_material(repository, result), say=say, refresh_s=refresh_s)


def render_page(
    repository: Repository, material: Material, *, say: Markup | None = None, refresh_s: int | None = None
) -> str:
    """Turn what was read into HTML. Content is inert: escaped, visible, and no other code is allowed."""
    result = material.result
    diffs = DiffRenderer(repository)
    body = join(
        tag("a", "Skip to the changes", href="#changes", class_="skip"),
        _bar(),
        tag(
            "main",
            header(result),
            attention(result),
            verdict_section(material),
            _changes(material, diffs),
            say,
            _candidates(material),
            tests_section(result),
            plots_section(material),
            _learned(material, diffs),
            _reproduce(result),
            tag("footer", tag("p", f"git-mimo {__version__}. Press ", tag("kbd", "?"), " for keys.", class_="quiet")),
            id="top",
        ),
        _help(),
    )
    title = f"Review of {result.session}: {result.task.strip().partition(chr(10))[0][:80]}"
    return whole_page(title, body, with_forms=say is not None, refresh_s=refresh_s)


def whole_page(title: str, body: Markup, *, with_forms: bool = False, refresh_s: int | None = None) -> str:
    """Put a body into a document with the page's style and script, both named by hash in its content policy."""
    style, script = asset("page.css"), asset("page.js")
    forms = "'self'" if with_forms else "'none'"
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; base-uri 'none'; "
        f"form-action {forms}; img-src 'none'; connect-src 'none'; frame-src 'none'; object-src 'none'"
    )
    head = join(
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("meta", name="mimo-refresh", content=refresh_s) if refresh_s else None,
        Markup(f"<title>{escape(title)}</title>"),
        Markup(f"<style>{style}</style>"),
    )
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>{body}<script>{script}</script></body></html>\n'


def asset(name: str) -> str:
    """The text of a file that ships with this package."""
    return resources.files("gitmimo.report").joinpath("assets", name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _bar() -> Markup:
    links = [tag("a", name, href=f"#{anchor}") for anchor, name in _SECTIONS]
    return tag(
        "nav",
        tag("span", "git-mimo", class_="brand"),
        tag("span", links, class_="links"),
        tag("button", "Theme", type="button", id="theme", title="Light or dark (t)"),
        tag("button", "Keys", type="button", id="keys", title="Keyboard help (?)"),
        aria_label="Sections",
    )


def _help() -> Markup:
    keys = (
        ("j / k", "next, previous file"),
        ("n / p", "next, previous candidate"),
        ("o", "fold or unfold the file"),
        ("a", "fold or unfold all files"),
        ("s", "two candidates side by side, or one"),
        ("t", "light or dark"),
        ("g", "to the top"),
        ("?", "this help"),
    )
    rows = [tag("div", tag("dt", tag("kbd", key)), tag("dd", meaning)) for key, meaning in keys]
    close = tag("form", tag("button", "Close", type="submit"), method="dialog")
    return tag("dialog", tag("h2", "Keys"), tag("dl", rows, class_="keys"), close, id="help", aria_label="Keys")


def _changes(material: Material, diffs: DiffRenderer) -> Markup:
    result = material.result
    shown = [product for product in material.products if product.same_as is None]
    chosen = winner_of(result)
    first = next((_shown_as(p) for p in material.products if chosen and p.number == chosen.number), None)
    if first is None and shown:
        first = shown[0].number
    options = [
        tag("option", f"Candidate {p.number}" + (", winner" if p.number == first and chosen else ""), value=p.number,
            selected=p.number == first)
        for p in shown
    ]  # fmt: skip
    second = next((p.number for p in shown if p.number != first), None)
    others = [tag("option", "nothing", value="", selected=True)] + [
        tag("option", f"Candidate {p.number}", value=p.number, data_first=p.number == second) for p in shown
    ]
    picker = tag(
        "div",
        tag("label", "Show ", tag("select", options, id="left")),
        tag("label", " beside ", tag("select", others, id="right")),
        class_="picker",
    )
    articles = [_product(product, material, diffs, is_first=product.number == first) for product in shown]
    return tag(
        "section",
        tag("h2", "Changes"),
        picker if len(shown) > 1 else None,
        _matrix(material, shown) if len(shown) > 1 else None,
        tag("div", articles, class_="products", id="products"),
        id="changes",
    )


def _shown_as(product: Product) -> int:
    return product.number if product.same_as is None else product.same_as


def _product(product: Product, material: Material, diffs: DiffRenderer, *, is_first: bool) -> Markup:
    same = [str(p.number) for p in material.products if p.same_as == product.number]
    candidate = next(c for c in material.result.candidates if c.number == product.number)
    evidence = candidate.evidence
    verdict = material.result.verdict
    comments = verdict.critic.comments if verdict and verdict.critic else {}
    mine = {key.partition(":")[2]: text for key, text in comments.items() if key.startswith(f"{product.number}:")}
    restored = dict.fromkeys(
        evidence.restored_paths if evidence else (), "Protected: judged and landed with the base's version."
    )
    if product.missing or product.tree is None or material.base_tree is None:
        body: Markup = tag("p", f"Nothing to show: {product.missing}.", class_="quiet")
    else:
        body = diffs.files(
            product.files,
            prefix=f"d{product.number}",
            old=material.base_tree,
            new=product.tree,
            comments=mine,
            notes=restored,
        )
    total = counts(sum(f.change.added for f in product.files), sum(f.change.removed for f in product.files))
    return tag(
        "article",
        tag("h3", f"Candidate {product.number} ", total),
        tag("p", f"The same product: candidate {', '.join(same)}.", class_="quiet") if same else None,
        tag("p", tag("strong", "Critic: "), prose(comments[str(product.number)]), class_="comment")
        if comments.get(str(product.number))
        else None,
        body,
        id=f"d{product.number}",
        data_candidate=product.number,
        class_="product" if is_first else "product off",
        aria_label=f"Changes of candidate {product.number}",
    )


def _matrix(material: Material, shown: list[Product]) -> Markup | None:
    """Which candidate touched which file."""
    touched: dict[str, dict[int, Markup]] = {}
    for product in shown:
        for number, file in enumerate(product.files, 1):
            link = tag("a", counts(file.change.added, file.change.removed), href=f"#d{product.number}-f{number}",
                       aria_label=f"Candidate {product.number}, {file.change.path}")  # fmt: skip
            touched.setdefault(file.change.path, {})[product.number] = link
    if not touched:
        return None
    paths = sorted(touched, key=lambda path: (-len(touched[path]), path))
    rows = [
        tag("tr", tag("th", escaped_path(path), scope="row", class_="path"),
            [tag("td", touched[path].get(product.number, "–"), data_label=f"Candidate {product.number}")
             for product in shown])
        for path in paths[:60]
    ]  # fmt: skip
    heads = [tag("th", "File", scope="col")] + [tag("th", f"Candidate {p.number}", scope="col") for p in shown]
    more = tag("p", f"{len(paths) - 60} more files.", class_="quiet") if len(paths) > 60 else None
    table = tag("table", tag("caption", "Which candidate touched which file", class_="sr"),
                tag("thead", tag("tr", heads)), tag("tbody", rows), class_="grid-table")  # fmt: skip
    return tag("details", tag("summary", f"{len(paths)} files by candidate"), scroller(table, "Files by candidate"),
               more, open=len(paths) <= 20)  # fmt: skip


def _candidates(material: Material) -> Markup:
    renderer = StepRenderer()
    return tag(
        "section",
        tag("h2", "Candidates"),
        [_candidate(candidate, material, renderer) for candidate in material.result.candidates]
        or tag("p", "No candidate was started.", class_="quiet"),
        id="candidates",
    )


def _candidate(candidate: CandidateResult, material: Material, renderer: StepRenderer) -> Markup:
    steps = material.steps.get(candidate.number, ())
    evidence = candidate.evidence
    gates = [
        tag("li", tag("strong", gate.name.replace("_", " ")), f": {gate.outcome.value}"
            + (f", {gate.detail}" if gate.detail else ""))
        for gate in (evidence.gates if evidence else ())
    ]  # fmt: skip
    damaged = material.damaged.get(candidate.number, "")
    return tag(
        "article",
        tag("h3", f"Candidate {candidate.number}"),
        tag("p", tag("strong", "Approach: "), candidate.approach) if candidate.approach else None,
        tag("p", tag("strong", "It says: "), candidate.summary[:3000]) if candidate.summary else None,
        tag("p", f"{candidate.worker}, ended: {candidate.status.replace('_', ' ')}, branch ",
            tag("code", escaped_path(candidate.branch)) if candidate.branch else "none", class_="quiet"),
        tag("details", tag("summary", "Gates"), tag("ul", gates)) if gates else None,
        tag("p", f"The record of its steps is damaged: {damaged}", class_="bad") if damaged else None,
        tag("details", tag("summary", _steps_word(len(steps))), renderer.steps(candidate, steps)) if steps else None,
        id=f"c{candidate.number}",
        class_="candidate",
    )  # fmt: skip


def _steps_word(count: int) -> str:
    return "1 step" if count == 1 else f"{count} steps"


def _learned(material: Material, diffs: DiffRenderer) -> Markup:
    tip = material.result.result_commit
    if material.learned and tip:
        body = diffs.files(material.learned, prefix="m", old=material.result.base, new=Oid(tip))
    else:
        body = tag("p", "This session changed nothing in .mimo/.", class_="quiet")
    return tag("section", tag("h2", "Memory and skills"), body, id="learned")


def _reproduce(result: SessionResult) -> Markup:
    branch = result.result_branch
    lines = [f"git mimo show {result.session}", f"git mimo review {result.session}"]
    if branch:
        lines += [f"git switch {branch}", f"git mimo ci --base {result.base[:12]}", f"git mimo merge {result.session}"]
    chosen = winner_of(result)
    commands = chosen.evidence.commands if chosen and chosen.evidence else ()
    lines += list(commands)
    return tag("section", tag("h2", "Reproduce"), tag("pre", "\n".join(lines)), id="reproduce")
