"""How the candidates worked: plots over time, and every step with what it did and what came of it."""

from collections.abc import Sequence

from gitmimo.records import ActionKind, Step
from gitmimo.report.changes import escaped_path
from gitmimo.report.html import Markup, join, tag
from gitmimo.report.material import Material
from gitmimo.report.plots import (
    Series,
    kinds_of,
    line_plot,
    main_kind,
    say_count,
    say_seconds,
    say_usd,
    step_strip,
    swatch,
)
from gitmimo.results import CandidateResult

OBSERVATION_CHARACTERS = 3_000
PAGE_CHARACTERS = 3_000_000  # of all steps together


def plots_section(material: Material) -> Markup:
    """Tokens and money over time, all candidates in one plot each."""
    worked = [candidate for candidate in material.result.candidates if material.steps.get(candidate.number)]
    if not worked:
        return tag("section", tag("h2", "Timeline"), tag("p", "No steps are recorded in this clone.", class_="quiet"),
                   id="timeline")  # fmt: skip
    tokens = [_series(candidate, material.steps[candidate.number], money=False) for candidate in worked]
    money = [_series(candidate, material.steps[candidate.number], money=True) for candidate in worked]
    legend = tag(
        "ul",
        [tag("li", swatch(c.number - 1), f"Candidate {c.number}", class_="key") for c in worked],
        class_="legend",
    )
    costs = line_plot(money, title="Money over time", say=say_usd)
    return tag(
        "section",
        tag("h2", "Timeline"),
        legend,
        tag(
            "div",
            tag("figure", line_plot(tokens, title="Tokens over time", say=say_count),
                tag("figcaption", "Tokens, summed over steps")),
            tag("figure", costs, tag("figcaption", "US dollars, summed over steps"))
            if costs
            else tag("p", "No step cost money, or no price is known.", class_="quiet"),
            class_="plots",
        ),
        id="timeline",
    )  # fmt: skip


class StepRenderer:
    """Renders steps; all candidates share one budget of characters."""

    def __init__(self, budget: int = PAGE_CHARACTERS) -> None:
        self._left = budget

    def steps(self, candidate: CandidateResult, steps: Sequence[Step]) -> Markup:
        """A strip over time, then every step folded."""
        legend = list(dict.fromkeys(main_kind(step) for step in steps))
        keys = [
            tag("li", tag("span", class_=f"box a-{kind.value.replace('_', '-')}"), kind.value.replace("_", " "),
                class_="key")
            for kind in legend
        ]  # fmt: skip
        return join(
            step_strip(steps, label=f"Candidate {candidate.number}"),
            tag("ul", keys, tag("li", tag("span", class_="box think"), "model thinks", class_="key"), class_="legend"),
            tag("ol", [self._step(step) for step in steps], class_="steps"),
        )

    def _step(self, step: Step) -> Markup:
        usage = step.reply.usage
        cost = f", {say_usd(step.reply.cost_usd)}" if step.reply.cost_usd else ""
        taken = step.reply.seconds + sum(observation.seconds for observation in step.observations)
        head = tag(
            "summary",
            tag("span", f"{step.number}", class_="number"),
            tag("span", kinds_of(step), class_="kinds"),
            tag("span", _about(step), class_="about"),
            tag("span", f"{say_count(usage.total)} tokens{cost}, {say_seconds(taken)}", class_="quiet"),
        )
        parts: list[Markup] = []
        if step.reply.text.strip():
            parts += [tag("h4", "The model said"), tag("pre", self._cut(step.reply.text))]
        for action, observation in zip(step.actions, step.observations, strict=False):
            failed = observation.exit_code not in (None, 0)
            code = f" (exit {observation.exit_code})" if observation.exit_code is not None else ""
            parts.append(tag("h4", action.kind.value.replace("_", " "), code, class_="bad" if failed else None))
            parts += [tag("pre", self._cut(piece)) for piece in (action.path, action.old, action.text) if piece.strip()]
            parts += [tag("pre", self._cut(observation.text), class_="said")] if observation.text.strip() else []
        if step.changed_paths:
            paths = join(join(tag("code", escaped_path(path)), " ") for path in step.changed_paths[:50])
            parts.append(tag("p", "Changed: ", paths))
        if step.commit:
            parts.append(tag("p", "Commit ", tag("code", step.commit[:12]), class_="quiet"))
        return tag("li", tag("details", head, parts), class_=f"a-{main_kind(step).value.replace('_', '-')}")

    def _cut(self, text: str) -> str:
        room = min(OBSERVATION_CHARACTERS, max(self._left, 0))
        self._left -= min(len(text), room)
        if len(text) <= room:
            return text
        half = room // 2
        tail = text[len(text) - half :] if half else ""
        return f"{text[:half]}\n… {len(text) - 2 * half:,} characters left out …\n{tail}"


def _about(step: Step) -> str:
    quiet = (ActionKind.NOTE, ActionKind.PLAN)
    action = next((a for a in step.actions if a.kind not in quiet), step.actions[0] if step.actions else None)
    return " ".join((action.path or action.text).split())[:120] if action else ""


def _series(candidate: CandidateResult, steps: Sequence[Step], *, money: bool) -> Series:
    begin = steps[0].started
    points = [(0.0, 0.0)]
    for step in steps:
        acted = sum(observation.seconds for observation in step.observations)
        moment = max(points[-1][0], (step.started - begin).total_seconds()) + step.reply.seconds + acted
        value = (step.reply.cost_usd or 0.0) if money else float(step.reply.usage.total)
        points.append((moment, points[-1][1] + value))
    return Series(label=f"Candidate {candidate.number}", colour=candidate.number - 1, points=tuple(points))
