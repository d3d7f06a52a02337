"""What a run found, one JSON line a task and row, so that a run that was cut goes on where it ended."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

from benchmarks.bugs.rows import Attempt, Caps, Outcome

_SCHEMA = "git-mimo/bugs/2"


def read_outcomes(path: Path, caps: Caps | None = None) -> list[Outcome]:
    """All outcomes of a file, none where there is none; ValueError where its caps differ, or are not these."""
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    seen = {json.dumps(line["caps"], sort_keys=True) for line in lines}
    if caps is not None:
        seen.add(json.dumps(dataclasses.asdict(caps), sort_keys=True))
    if len(seen) > 1:
        raise ValueError(f"{path} holds outcomes under other caps: {'; '.join(sorted(seen))}")
    return [
        Outcome(
            row=line["row"],
            task=line["task"],
            attempts=tuple(Attempt(**attempt) for attempt in line["attempts"]),
            peak_mb=line["peak_mb"],
        )
        for line in lines
    ]


def append_outcome(path: Path, outcome: Outcome, caps: Caps, *, day: str) -> None:
    """Write one more line."""
    told = {"schema": _SCHEMA, "day": day, **dataclasses.asdict(outcome), "caps": dataclasses.asdict(caps)}
    with path.open("a") as log:
        log.write(json.dumps(told) + "\n")


def compared(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Those of tasks that every row has had."""
    rows = {outcome.row for outcome in outcomes}
    whole = {o.task for o in outcomes if rows == {other.row for other in outcomes if other.task == o.task}}
    return [outcome for outcome in outcomes if outcome.task in whole]
