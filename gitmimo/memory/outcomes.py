"""How a skill fared: a log of events, one a line, from which counts and standing follow.

The log lies apart from the skill's content, which is approved. Lines are a set: two branches that both used a skill
merge by union, in any order, and nothing is counted twice.
"""

import enum
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from gitmimo.errors import SkillRefused
from gitmimo.text import escape_controls, hidden_characters

_MOST_BYTES = 400_000
_MOST_ABOUT = 300


class Standing(enum.StrEnum):
    """Whether a skill may be tried. Only VERIFIED ones are; a quarantined one failed, a retired one wasn't needed."""

    VERIFIED = "verified"
    UNVERIFIED = "unverified"
    QUARANTINED = "quarantined"
    RETIRED = "retired"


class Label(enum.StrEnum):
    """What became of a use, as the gates or a person said."""

    PASSED = "passed"
    FAILED = "failed"
    UNMET = "unmet"  # a precondition did not hold: nobody's fault
    MERGED = "merged"
    REJECTED = "rejected"
    REVERTED = "reverted"
    PASSED_OVER = "passed_over"  # a person picked another candidate


_USES = (Label.PASSED, Label.FAILED, Label.UNMET)
_HELPS = (Label.PASSED, Label.MERGED)
_HURTS = (Label.FAILED, Label.REJECTED, Label.REVERTED)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Event:
    """One thing that happened. `about` is a session, with why after it, or why the standing changed."""

    time: datetime
    what: str  # a Label's or a Standing's value
    about: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """A skill's events in order, and what follows from them."""

    events: tuple[Event, ...] = ()

    @property
    def standing(self) -> Standing:
        return self._standing_and_reason()[0]

    @property
    def reason(self) -> str:
        return self._standing_and_reason()[1]

    @property
    def created(self) -> datetime | None:
        return self.events[0].time if self.events else None

    @property
    def verified(self) -> datetime | None:
        """When it was last found to hold."""
        return max((event.time for event in self.events if event.what == Standing.VERIFIED), default=None)

    @property
    def last_used(self) -> datetime | None:
        return max((event.time for event in self.events if event.what in _USES), default=None)

    @property
    def uses(self) -> int:
        return self._count(_USES)

    @property
    def helped(self) -> int:
        return self._count(_HELPS)

    @property
    def hurt(self) -> int:
        return self._count(_HURTS)

    @property
    def worth(self) -> int:
        return self.helped - 2 * self.hurt

    def _count(self, labels: tuple[Label, ...]) -> int:
        return sum(event.what in labels for event in self.events)

    def _standing_and_reason(self) -> tuple[Standing, str]:
        """Fold the events: a failed replay puts a skill into quarantine, as do two more hurts than helps."""
        standing, reason, balance = Standing.UNVERIFIED, "", 0
        for event in self.events:
            if event.what in list(Standing):
                standing, reason = Standing(event.what), event.about
                balance = 0 if standing is Standing.VERIFIED else balance
                continue
            balance += (event.what in _HELPS) - (event.what in _HURTS)
            session, _, why = event.about.partition(" ")
            if event.what == Label.FAILED:
                standing, reason = Standing.QUARANTINED, why or f"its replay failed in session {session}"
            elif balance <= -2 and standing is Standing.VERIFIED:
                standing, reason = Standing.QUARANTINED, "people rejected or reverted what it did"
        return standing, reason


def label_outcome(outcomes: Outcomes, label: Label, *, session: str, now: datetime, reason: str = "") -> Outcomes:
    """Return the outcomes with one more use or one more judgement of a use; the same of one session counts once."""
    if any(event.what == label and event.about.split(" ")[0] == session for event in outcomes.events):
        return outcomes
    return _with_event(outcomes, label.value, f"{session} {reason}", now)


def with_standing(outcomes: Outcomes, standing: Standing, *, now: datetime, reason: str = "") -> Outcomes:
    """Return the outcomes with another standing from now on."""
    return _with_event(outcomes, standing.value, reason, now)


def write_outcomes(outcomes: Outcomes) -> bytes:
    """Format the log, one event a line."""
    lines = (f"{event.time:%Y-%m-%dT%H:%M:%SZ} {event.what} {event.about}".rstrip() for event in outcomes.events)
    return "".join(f"{line}\n" for line in lines).encode()


def read_outcomes(data: bytes) -> Outcomes:
    """Parse a log; SkillRefused when a line is anything but a time, a known word and a short text."""
    try:
        text = data.decode() if len(data) <= _MOST_BYTES else ""
    except UnicodeDecodeError as exc:
        raise SkillRefused("the log of the skill's outcomes is not UTF-8") from exc
    if len(data) > _MOST_BYTES or hidden_characters(text):
        raise SkillRefused("the log of the skill's outcomes is too large or holds hidden characters")
    return Outcomes(events=tuple(sorted({_event(line) for line in text.splitlines() if line.strip()})))


_LINE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ) ([a-z_]{3,20})(?: (.{1,300}))?")
_WORDS = frozenset([*Standing, *Label])


def _event(line: str) -> Event:
    match = _LINE.fullmatch(line)
    if not match or match[2] not in _WORDS:
        raise SkillRefused(f"the log of the skill's outcomes is damaged: `{line[:60]}`")
    try:
        moment = datetime.fromisoformat(match[1])
    except ValueError as exc:
        raise SkillRefused(f"the log of the skill's outcomes is damaged: `{line[:60]}`") from exc
    return Event(time=moment, what=match[2], about=match[3] or "")


def _with_event(outcomes: Outcomes, what: str, about: str, now: datetime) -> Outcomes:
    moment = now.astimezone(UTC).replace(microsecond=0)
    text = " ".join(escape_controls(about, newlines=False).split())[:_MOST_ABOUT].strip()
    if outcomes.events and outcomes.events[-1].time >= moment:
        moment = outcomes.events[-1].time + timedelta(seconds=1)  # sorting must keep the order
    event = Event(time=moment, what=what, about=text)
    return Outcomes(events=tuple(sorted({*outcomes.events, event})))
