"""How a skill fared: uses, helps and failures, its standing and why; apart from its content, which is approved."""

import enum
import json
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from gitmimo.errors import SkillRefused
from gitmimo.records import from_json, to_json

_SCHEMA = "git-mimo/outcomes/1"
_LOG_LINES = 20


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """Counts and standing. `log` holds the last uses as `date label session`."""

    standing: Standing = Standing.UNVERIFIED
    reason: str = ""
    created: datetime | None = None
    verified: datetime | None = None
    last_used: datetime | None = None
    uses: int = 0
    helped: int = 0
    hurt: int = 0
    log: tuple[str, ...] = ()

    @property
    def worth(self) -> int:
        return self.helped - 2 * self.hurt


def label_outcome(outcomes: Outcomes, label: Label, *, session: str, now: datetime) -> Outcomes:
    """Return the outcomes with one more use or one more judgement of a use; the same twice counts once.

    Reverted and rejected results hurt, merged ones help; two more hurts than helps put a skill into quarantine, a
    replay that failed its gates does at once.
    """
    entry = f"{label.value} {session}"
    if any(line.endswith(f" {entry}") for line in outcomes.log):
        return outcomes
    is_use = label in (Label.PASSED, Label.FAILED, Label.UNMET)
    helped = outcomes.helped + (label in (Label.PASSED, Label.MERGED))
    hurt = outcomes.hurt + (label in (Label.FAILED, Label.REJECTED, Label.REVERTED))
    found = replace(
        outcomes,
        uses=outcomes.uses + is_use,
        helped=helped,
        hurt=hurt,
        last_used=now if is_use else outcomes.last_used,
        log=(*outcomes.log, f"{now.astimezone(UTC):%Y-%m-%d} {entry}")[-_LOG_LINES:],
    )
    if label is Label.FAILED:
        return quarantined(found, f"its replay failed in session {session}")
    if hurt - helped >= 2:
        return quarantined(found, "people rejected or reverted what it did")
    return found


def quarantined(outcomes: Outcomes, reason: str) -> Outcomes:
    """Return the outcomes of a skill that must not be tried until it is verified again."""
    return replace(outcomes, standing=Standing.QUARANTINED, reason=" ".join(reason.split())[:300])


def write_outcomes(outcomes: Outcomes) -> bytes:
    """Format outcomes, one key a line."""
    return (json.dumps({"schema": _SCHEMA, **to_json(outcomes)}, indent=1, sort_keys=True) + "\n").encode()


def read_outcomes(data: bytes) -> Outcomes:
    """Parse outcomes; SkillRefused when they hold anything but counts, dates and known words."""
    try:
        raw = json.loads(data) if len(data) < 20_000 else {}
        if not isinstance(raw, dict) or raw.pop("schema", "") != _SCHEMA:
            raise ValueError("not the outcomes of a skill")
        found = from_json(Outcomes, raw)
        counts = (found.uses, found.helped, found.hurt)
        if any(not isinstance(count, int) or isinstance(count, bool) or count < 0 for count in counts):
            raise ValueError("a count is no number")
        if not isinstance(found.reason, str) or any(not _LOG.fullmatch(line) for line in found.log):
            raise ValueError("the log holds something else")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as exc:
        raise SkillRefused(f"the skill's outcomes are damaged: {exc}") from exc
    return found


_LOG = re.compile(r"\d{4}-\d\d-\d\d [a-z_]{3,20} [0-9a-z-]{1,60}")
