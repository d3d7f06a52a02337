"""Plots as inline SVG without any style of their own: colours come from the page's classes."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gitmimo.records import ActionKind, Step
from gitmimo.report.html import Markup, join, tag

COLOURS = 8  # as many `s1`..`s8` classes as the stylesheet has
_WIDTH, _HEIGHT = 640, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 14, 12, 34
_MARKERS = ("circle", "square", "diamond", "triangle")


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One line of a plot: points of (seconds, value), in order."""

    label: str
    colour: int
    points: tuple[tuple[float, float], ...]


def line_plot(series: Sequence[Series], *, title: str, say: Callable[[float], str]) -> Markup | None:
    """Draw values over seconds; None when there is nothing but zeros."""
    drawn = [line for line in series if line.points]
    top = max((value for line in drawn for _, value in line.points), default=0.0)
    end = max((moment for line in drawn for moment, _ in line.points), default=0.0)
    if top <= 0:
        return None
    ticks_y, ticks_x = _ticks(top), _ticks(max(end, 1.0))
    high, wide = ticks_y[-1], max(end, 1.0)

    def x(moment: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * moment / wide

    def y(value: float) -> float:
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * value / high

    grid = [
        join(
            tag("line", class_="grid", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=y(tick), y2=y(tick)),
            tag("text", say(tick), x=_LEFT - 6, y=y(tick) + 4, text_anchor="end"),
        )
        for tick in ticks_y
    ]
    grid += [
        tag("text", say_seconds(tick), x=x(tick), y=_HEIGHT - _BOTTOM + 18, text_anchor="middle")
        for tick in ticks_x
        if tick <= wide
    ]
    lines = [
        tag(
            "g",
            tag("title", f"{line.label}: {say(line.points[-1][1])} after {say_seconds(line.points[-1][0])}"),
            tag("polyline", points=" ".join(f"{x(m):.1f},{y(v):.1f}" for m, v in _thinned(line.points))),
            [_marker(line.colour, x(m), y(v)) for m, v in line.points[-1:]],
            class_=f"s{line.colour % COLOURS + 1}",
        )
        for line in drawn
    ]
    told = "; ".join(f"{line.label} {say(line.points[-1][1])}" for line in drawn)
    return tag(
        "svg",
        tag("title", f"{title}: {told}"),
        grid,
        lines,
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        class_="plot",
        role="img",
    )


def swatch(colour: int) -> Markup:
    """The mark of a series, for a legend: shape as well as colour."""
    shape = _marker(colour, 7, 7)
    return tag("svg", shape, viewBox="0 0 14 14", class_=f"swatch s{colour % COLOURS + 1}", aria_hidden="true")


def step_strip(steps: Sequence[Step], *, label: str) -> Markup:
    """Draw steps as a strip over time: the model's part and the commands' part of each, coloured by what was done."""
    begin = steps[0].started
    spans = []
    moment = 0.0
    for step in steps:
        # the clock is kept to the second: a step never begins before the one before it ended
        start = max(moment, (step.started - begin).total_seconds())
        thought = max(step.reply.seconds, 0.0)
        acted = sum(max(observation.seconds, 0.0) for observation in step.observations)
        moment = start + thought + acted
        spans.append((step, start, thought, acted))
    whole = max(moment, 0.001)
    rects = []
    for step, start, thought, acted in spans:
        left, middle = _WIDTH * start / whole, _WIDTH * (start + thought) / whole
        said = f"step {step.number}: {kinds_of(step)}, model {say_seconds(thought)}, commands {say_seconds(acted)}"
        rects.append(
            tag(
                "g",
                tag("title", said),
                tag("rect", class_="think", x=left, y=6, width=max(middle - left, 0.8), height=20),
                tag("rect", x=middle, y=6, width=max(_WIDTH * acted / whole, 0.8), height=20),
                class_=f"a-{main_kind(step).value.replace('_', '-')}",
            )
        )
    return tag(
        "svg",
        tag("title", f"{label}: {len(steps)} steps in {say_seconds(moment)}"),
        rects,
        viewBox=f"0 0 {_WIDTH} 32",
        class_="strip",
        role="img",
        preserveAspectRatio="none",
    )


def main_kind(step: Step) -> ActionKind:
    """What a step is coloured by: its first action that does something."""
    quiet = (ActionKind.NOTE, ActionKind.PLAN)
    kinds = [action.kind for action in step.actions]
    return next((kind for kind in kinds if kind not in quiet), kinds[0] if kinds else ActionKind.INVALID)


def kinds_of(step: Step) -> str:
    """Name a step's actions."""
    return ", ".join(action.kind.value.replace("_", " ") for action in step.actions) or "no action"


def say_seconds(amount: float) -> str:
    """A duration for people."""
    if amount < 60:
        return f"{amount:.1f} s" if 0 < amount < 10 and amount % 1 else f"{amount:.0f} s"
    minutes, rest = divmod(round(amount), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if rest else f"{minutes} min"


def say_count(amount: float) -> str:
    """A number of tokens for people."""
    if amount < 10_000:
        return f"{amount:,.0f}"
    return f"{amount / 1000:,.0f}k" if amount < 1_000_000 else f"{amount / 1e6:.1f}M"


def say_usd(amount: float) -> str:
    """Money for people."""
    if not amount:
        return "$0"
    return f"${amount:.4f}" if amount < 0.1 else f"${amount:,.2f}"


def _ticks(top: float) -> list[float]:
    rough = top / 4
    power = 10.0 ** math.floor(math.log10(rough))
    size = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough)
    return [size * number for number in range(math.ceil(top / size - 1e-9) + 1)]


def _thinned(points: Sequence[tuple[float, float]], most: int = 400) -> Sequence[tuple[float, float]]:
    stride = max(1, len(points) // most)
    return [*points[:-1:stride], points[-1]]


def _marker(colour: int, x: float, y: float) -> Markup:
    match _MARKERS[colour % len(_MARKERS)]:
        case "circle":
            return tag("circle", cx=x, cy=y, r=4)
        case "square":
            return tag("rect", x=x - 4, y=y - 4, width=8, height=8)
        case "diamond":
            return tag("path", d=f"M{x:.1f} {y - 5:.1f}l5 5-5 5-5-5z")
        case _:
            return tag("path", d=f"M{x:.1f} {y - 5:.1f}l5 9h-10z")
