"""The first screen of the page: what was asked, what won, why, and what to look at first."""

from gitmimo.evaluator.suspicion import REVIEW, needs_review
from gitmimo.evidence import Gate, Outcome, TestOutcome
from gitmimo.report.changes import counts, escaped_path
from gitmimo.report.html import Markup, join, prose, tag
from gitmimo.report.material import Material
from gitmimo.report.plots import say_count, say_seconds, say_usd, swatch
from gitmimo.results import CandidateResult, SessionResult

_MARKS = {Outcome.PASS: ("✓", "good"), Outcome.FAIL: ("✗", "bad"), Outcome.UNKNOWN: ("?", "bad")}
STATUS_CLASS = {"passed": "good", "failed": "bad", "error": "bad", "budget": "warn", "interrupted": "warn"}


def header(result: SessionResult) -> Markup:
    """Title, status and the session's numbers."""
    first, _, rest = result.task.strip().partition("\n")
    facts = [
        ("Session", tag("code", result.session)),
        ("Status", tag("span", result.status.value, class_=f"chip {STATUS_CLASS.get(result.status.value, '')}")),
        ("Merged", "yes" if result.merged else "no"),
        ("Base", join(tag("code", result.base[:12]), f" on {result.target_branch}" if result.target_branch else "")),
        ("Result", tag("code", escaped_path(result.result_branch)) if result.result_branch else "none"),
        ("Tokens", say_count(result.usage.total)),
        ("Cost", say_usd(result.cost_usd)),
        ("Time", say_seconds(result.seconds)),
        ("Model calls", str(result.llm_calls)),
    ]
    if result.started:
        facts.insert(2, ("Started", tag("time", f"{result.started:%Y-%m-%d %H:%M} UTC")))
    return tag(
        "header",
        tag("h1", prose(first[:300]) if first else f"Session {result.session}"),
        tag("p", rest.strip()[:5000], class_="task") if rest.strip() else None,
        tag("dl", [tag("div", tag("dt", name), tag("dd", value)) for name, value in facts], class_="facts"),
    )


def attention(result: SessionResult) -> Markup | None:
    """What a reviewer should look at first; nothing when nothing stands out."""
    items: list[Markup] = []
    verdict = result.verdict
    chosen = winner_of(result)
    for candidate in [chosen] if chosen else list(result.candidates):
        evidence = candidate.evidence
        if evidence is None:
            continue
        who = f"Candidate {candidate.number}: "
        doubts = needs_review(evidence.flags)
        items += [
            tag("li", tag("span", "needs a person", class_="chip warn"), " ", who, prose(flag.removeprefix(REVIEW)))
            for flag in doubts
        ]
        items += [tag("li", who, prose(flag)) for flag in evidence.flags if flag not in doubts]
        items += [
            tag("li", who, "changed the protected file ", tag("code", escaped_path(path)), "; it was judged and landed "
                "with the base's version")
            for path in evidence.restored_paths
        ]  # fmt: skip
        items += [
            tag("li", who, "gate ", tag("code", gate.name), f" said {gate.outcome.value}: ", prose(gate.detail))
            for gate in evidence.failed_gates
        ]
        items += [tag("li", who, "test ", tag("code", name), " is flaky on base and was set aside")
                  for name in evidence.flaky_ids[:10]]  # fmt: skip
    if verdict and verdict.critic:
        comment = verdict.critic.comments.get(str(verdict.winner), "")
        items += [tag("li", "Critic on the winner: ", prose(comment))] if comment else []
        items += [tag("li", "There is no critic's opinion: ", verdict.critic.failed)] if verdict.critic.failed else []
        items += [tag("li", f"The critic rejected candidate {number}.") for number in verdict.critic.rejected]
    if not items:
        return None
    return tag("section", tag("h2", "Look at first"), tag("ul", items), class_="attention", id="attention")


def verdict_section(material: Material) -> Markup:
    """The table of all candidates, the reason, and the critic's rubric."""
    result = material.result
    verdict = result.verdict
    gates = list(dict.fromkeys(g.name for c in result.candidates if c.evidence for g in c.evidence.gates))
    heads = ["Candidate", "Model", "Ended", *gates, "Tests", "Mended, broken", "Diff", "Steps", "Tokens", "Cost",
             "Time"]  # fmt: skip
    table = tag(
        "table",
        tag("caption", "Every candidate with what each gate said about its product", class_="sr"),
        tag("thead", tag("tr", [tag("th", head.replace("_", " "), scope="col") for head in heads])),
        tag("tbody", [_row(candidate, result, gates) for candidate in result.candidates]),
        class_="grid-table",
    )
    reasons = [
        tag("li", tag("strong", f"Candidate {place.number}"), f", place {place.rank}: ", prose(place.reason),
            (f" ({place.votes} candidates reached this product)" if place.votes > 1 else ""))
        for place in (verdict.ranking if verdict else ())
    ]  # fmt: skip
    rubric = verdict.critic.rubric if verdict and verdict.critic else ""
    model = verdict.critic.model if verdict and verdict.critic else ""
    return tag(
        "section",
        tag("h2", "Verdict"),
        tag("p", prose(verdict.reason if verdict else result.message or "There is no verdict."), class_="reason"),
        scroller(table, "Verdict table"),
        tag("ul", reasons, class_="plain") if reasons else None,
        tag("details", tag("summary", f"The critic's rubric, written before it saw a diff ({model})"),
            tag("pre", rubric)) if rubric else None,
        id="verdict",
    )  # fmt: skip


def tests_section(result: SessionResult) -> Markup:
    """Tests whose result differs between base and product, by candidate."""
    rows = []
    for candidate in result.candidates:
        evidence = candidate.evidence
        if evidence is None:
            continue
        groups = (
            (evidence.broken_ids, TestOutcome.PASSED.value, TestOutcome.FAILED.value, "bad"),
            (evidence.missing_ids, TestOutcome.PASSED.value, "not run", "bad"),
            (evidence.fixed_ids, TestOutcome.FAILED.value, TestOutcome.PASSED.value, "good"),
            (evidence.flaky_ids, "differs from run to run", "set aside", "quiet"),
        )
        for names, before, after, style in groups:
            rows += [
                tag("tr", tag("td", str(candidate.number), data_label="Candidate"),
                    tag("td", tag("code", name), data_label="Test"), tag("td", before, data_label="Base"),
                    tag("td", after, class_=style, data_label="Product"))
                for name in names[:200]
            ]  # fmt: skip
            if len(names) > 200:
                rows.append(
                    tag("tr", tag("td", str(candidate.number)), tag("td", f"{len(names) - 200} more", colspan=3))
                )
    judged = [candidate for candidate in result.candidates if candidate.evidence]
    new = [
        tag("li", f"Candidate {c.number} brings tests of its own: {c.evidence.new_tests_passed} pass on its product, "
            f"{len(c.evidence.proving_tests)} fail on base.")
        for c in judged
        if c.evidence and (c.evidence.new_tests_passed or c.evidence.proving_tests)
    ]  # fmt: skip
    heads = ("Candidate", "Test", "Base", "Product")
    table = tag(
        "table",
        tag("caption", "Tests whose result differs between base and product", class_="sr"),
        tag("thead", tag("tr", [tag("th", head, scope="col") for head in heads])),
        tag("tbody", rows),
        class_="grid-table",
    )
    if not judged:
        body: Markup = tag("p", "No product was tested.", class_="quiet")
    elif rows:
        body = scroller(table, "Tests")
    else:
        body = tag("p", "Every test that ran says the same on base and on each product.", class_="quiet")
    commands = list(dict.fromkeys(command for c in judged if c.evidence for command in c.evidence.commands))
    ran = [tag("p", "Commands: ", join(join(tag("code", command), " ") for command in commands))] if commands else []
    return tag("section", tag("h2", "Tests, base against product"), ran, body,
               tag("ul", new, class_="plain") if new else None, id="tests")  # fmt: skip


def winner_of(result: SessionResult) -> CandidateResult | None:
    """The candidate that the verdict chose."""
    number = result.verdict.winner if result.verdict else None
    return next((candidate for candidate in result.candidates if candidate.number == number), None)


def scroller(content: Markup, label: str) -> Markup:
    """A box that scrolls sideways, also by keyboard."""
    return tag("div", content, class_="scroll", role="region", tabindex=0, aria_label=label)


def gate_mark(gate: Gate | None) -> Markup:
    """One gate's outcome as a mark with a word for those who don't see it."""
    if gate is None or gate.outcome is Outcome.SKIPPED:
        word = "skipped" if gate else "not run"
        return tag("span", tag("span", "–", aria_hidden="true"), tag("span", word, class_="sr"), class_="quiet")
    mark, style = _MARKS[gate.outcome]
    return tag("span", tag("span", mark, aria_hidden="true"), tag("span", gate.outcome.value, class_="sr"),
               class_=style, title=gate.detail[:300] or None)  # fmt: skip


def _row(candidate: CandidateResult, result: SessionResult, gates: list[str]) -> Markup:
    evidence = candidate.evidence
    said = {gate.name: gate for gate in evidence.gates} if evidence else {}
    is_winner = result.verdict is not None and result.verdict.winner == candidate.number
    broken = len(evidence.broken_ids) + len(evidence.missing_ids) if evidence else 0
    name = tag("a", f"Candidate {candidate.number}", href=f"#c{candidate.number}")
    cells = [
        ("Model", candidate.worker),
        ("Ended", candidate.status.replace("_", " ")),
        *((gate.replace("_", " "), gate_mark(said.get(gate))) for gate in gates),
        ("Tests", f"{evidence.tests_passed}/{evidence.tests_run}" if evidence else "–"),
        ("Mended, broken", counts(len(evidence.fixed_ids), broken) if evidence else "–"),
        ("Diff", counts(evidence.diff.added, evidence.diff.removed) if evidence else "–"),
        ("Steps", str(candidate.steps)),
        ("Tokens", say_count(candidate.usage.total)),
        ("Cost", say_usd(candidate.cost_usd)),
        ("Time", say_seconds(candidate.seconds)),
    ]
    return tag(
        "tr",
        tag("th", swatch(candidate.number - 1), name, tag("span", "winner", class_="chip good") if is_winner else None,
            scope="row"),
        [tag("td", value, data_label=label) for label, value in cells],
        class_="winner" if is_winner else None,
    )  # fmt: skip
