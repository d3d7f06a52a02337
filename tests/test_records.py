"""Records as JSON: what goes out comes back the same, and nothing unknown comes in."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gitmimo.codec import dump_json, from_json
from gitmimo.evidence import (
    CriticOpinion,
    DiffFacts,
    Evidence,
    FileChange,
    Gate,
    Outcome,
    RankedCandidate,
    TestOutcome,
    TestReport,
    Verdict,
)
from gitmimo.ids import Oid, SessionId, SessionStatus
from gitmimo.records import CandidateResult, SessionResult, Usage

EVIDENCE = Evidence(
    tree=Oid("1" * 40),
    tested_tree=Oid("2" * 40),
    base=Oid("3" * 40),
    gates=(Gate(name="tests", outcome=Outcome.PASS, detail="5/5", seconds=1.5),),
    diff=DiffFacts(files=(FileChange(path="ä b.py", status="M", added=1),)),
    fixed_ids=("tests/test_a.py::test_b[1-x]",),
)
SESSION = SessionResult(
    session=SessionId("0000000001"),
    status=SessionStatus.PASSED,
    task="mend it",
    base=Oid("3" * 40),
    target_branch=None,
    candidates=(
        CandidateResult(
            number=1,
            branch="mimo/0000000001/1",
            approach="",
            model="openai/x",
            strategy="patch",
            status="finished",
            usage=Usage(prompt=10, cached=4, completion=3),
            evidence=EVIDENCE,
        ),
    ),
    verdict=Verdict(
        winner=1,
        ranking=(RankedCandidate(number=1, rank=1, passed=True, votes=1, reason="passed every gate"),),
        reason="1 of 1 passed",
        critic=CriticOpinion(order=((1,), (2, 3)), rejected=(4,), comments={"1:a.py": "short"}),
    ),
    started=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
)


@pytest.mark.parametrize(
    "record",
    [
        SESSION,
        replace(SESSION, verdict=None, started=None, target_branch="main", candidates=()),
        TestReport(command="pytest", exit_code=1, cases={"a": TestOutcome.PASSED, "b": TestOutcome.ERROR}),
    ],
    ids=["whole", "little", "report"],
)
def test_a_record_comes_back_the_same(record: object) -> None:
    back = from_json(type(record), json.loads(dump_json(record)))
    assert back == record
    assert repr(back) == repr(record)  # enums and times as such, not as text


def test_absent_keys_take_their_defaults() -> None:
    assert from_json(Usage, {"prompt": 3}) == Usage(prompt=3)


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        (Usage, {"prompt": 3, "colour": "red", "age": 1}, "unknown key in Usage: age, colour"),
        (Usage, [3], "Usage is not an object"),
        (Gate, {"name": "tests", "outcome": "maybe"}, "maybe"),
        (Verdict, {"winner": 1, "reason": "", "ranking": [{"nummer": 1}]}, "unknown key in RankedCandidate: nummer"),
        (SessionResult, {**json.loads(dump_json(SESSION)), "started": "yesterday"}, "yesterday"),
    ],
)
def test_what_no_record_says_is_refused(kind: type, value: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        from_json(kind, value)
