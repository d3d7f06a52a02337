"""The questions of the patch strategy: a fixed table, so that a candidate's number determines its questions.

Different questions find more than the same question asked again: small models repeat faulty code that is
in the prompt, so some questions hide it, some show what really happened when it ran, some make them think first.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One question. `hides_body` takes the faulty body out of the prompt, `shows_walk` puts the executed lines in."""

    name: str
    ask: str  # `{name}` is the function's name, or the file's where no function is known
    thinks_first: bool = False
    hides_body: bool = False
    shows_walk: bool = False
    is_whole_file: bool = False
    wants_code: bool = True


OTHER = Variant(
    name="other",
    ask="This `{name}` is wrong. Write `{name}` anew in another way, so that all of its docstring holds.",
)
REWRITE = Variant(
    name="rewrite",
    ask="Write `{name}` so that the test passes. Every word of its docstring counts.",
    hides_body=True,
)
WALK = Variant(name="walk", ask="Something in this is wrong. Write the corrected `{name}`.", shows_walk=True)
TRACE = Variant(
    name="trace",
    ask="Follow the failing call through `{name}` with its real values, in a few short lines, until a value is wrong. "
    "Then write the corrected `{name}`.",
    thinks_first=True,
)
HYPOTHESES = Variant(
    name="hypotheses",
    ask="Name three possible mistakes in `{name}`, one short line each, and say which it is. "
    "Then write the corrected `{name}`.",
    thinks_first=True,
)
EXPECT = Variant(
    name="expect",
    ask="Say in a few short lines what the test expects of `{name}`, and which line does not do it. "
    "Then write the corrected `{name}`.",
    thinks_first=True,
    shows_walk=True,
)
DOCSTRING = Variant(
    name="docstring",
    ask="Take the docstring of `{name}` sentence by sentence: which sentence does the code not keep? "
    "One or two short lines. Then write the corrected `{name}`.",
    thinks_first=True,
)
OPERATORS = Variant(
    name="operators",
    ask="Check `{name}` for: < or <=, + 1 or - 1, and or or, a missing case, a wrong default, a wrong order of "
    "statements, something changed that belongs to the caller. Write the corrected `{name}`.",
)
WHERE = Variant(name="where", ask="Which function holds the mistake?", wants_code=False)
WHOLE_FILE = Variant(name="file", ask="Write the whole corrected file `{name}`.", is_whole_file=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One question about the site at a place in the ranking, asked some times at a temperature.

    Asking again is cheap: the server still knows the prompt (on two cores 2-3 s an answer against 10 for the first).
    """

    variant: Variant
    site: int = 0
    temperature: float = 0.8
    times: int = 1


_PLANS: tuple[tuple[Round, ...], ...] = (
    (
        Round(variant=REWRITE, temperature=0.2),
        Round(variant=REWRITE, times=2),
        Round(variant=OTHER),
        Round(variant=OTHER, site=1, times=2),
    ),
    (
        Round(variant=REWRITE, site=1, temperature=0.2),
        Round(variant=REWRITE, site=1),
        Round(variant=OTHER, site=2, times=2),
        Round(variant=OTHER, temperature=1.0),
    ),
    (
        Round(variant=WALK, times=2),
        Round(variant=WALK, site=1),
        Round(variant=REWRITE, temperature=1.0, times=2),
    ),
    (
        Round(variant=REWRITE, site=2, temperature=0.2),
        Round(variant=REWRITE, site=2),
        Round(variant=OPERATORS, times=2),
        Round(variant=OPERATORS, site=1),
    ),
    (
        Round(variant=HYPOTHESES),
        Round(variant=TRACE),
        Round(variant=OTHER, temperature=1.0),
        Round(variant=REWRITE, temperature=1.0, times=2),
    ),
    (
        Round(variant=WHOLE_FILE, times=2),
        Round(variant=OTHER, temperature=1.0),
        Round(variant=OTHER, site=1, temperature=1.0),
    ),
    (
        Round(variant=EXPECT, site=1),
        Round(variant=REWRITE, site=1, times=2),
        Round(variant=OTHER, site=3),
    ),
    (
        Round(variant=DOCSTRING),
        Round(variant=REWRITE, temperature=1.0, times=2),
        Round(variant=WHOLE_FILE),
    ),
)


def plan_of(number: int) -> tuple[Round, ...]:
    """The questions of a candidate, one an answer; from the ninth candidate on they repeat, with other seeds."""
    return tuple(planned for planned in _PLANS[(number - 1) % len(_PLANS)] for _ in range(planned.times))
