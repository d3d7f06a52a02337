"""What is told of a product that was not accepted: to its own candidate, and to those that try next."""

from dataclasses import replace

from gitmimo.evidence import CriticOpinion, Evidence, Gate, Outcome, Verdict
from gitmimo.ids import Oid, SessionStatus
from gitmimo.records import CandidateResult, SessionResult
from gitmimo.workflow.plan import critic_feedback, feedback_for_next_round, gate_feedback
from gitmimo.workflow.session_result import with_winner


def result(number: int, *, failed: str = "", output: str = "") -> CandidateResult:
    gate = Gate(name="suite", outcome=Outcome.FAIL if failed else Outcome.PASS, detail=failed)
    evidence = Evidence(tree=Oid("t"), tested_tree=Oid("t"), base=Oid("b"), gates=(gate,), output=output)
    return CandidateResult(
        number=number,
        branch="b",
        approach="",
        model="m",
        strategy="shell",
        status="finished",
        steps=7,
        evidence=evidence,
    )


REJECTS = CriticOpinion(rejected=(1,), comments={"1:a.py": "five is no sum", "1": "hard-coded", "2:a.py": "fine"})


def test_candidate_hears_the_gate_and_the_end_of_the_output() -> None:
    said = gate_feedback(result(1, failed="1 passed on base and fail now: test_a", output="x" * 9000 + "E 1 != 2"))
    assert said is not None
    assert said.after_step == 7
    assert "- suite: 1 passed on base and fail now: test_a" in said.text
    assert said.text.count("x") < 3_100
    assert "E 1 != 2" in said.text
    assert gate_feedback(result(1)) is None


def test_rejected_candidate_hears_its_own_remarks_only() -> None:
    verdict = Verdict(winner=2, ranking=(), reason="", critic=REJECTS)
    said = critic_feedback(result(1), verdict)
    assert said is not None
    assert "- a.py: five is no sum" in said.text
    assert "fine" not in said.text
    assert critic_feedback(result(2), verdict) is None


def test_next_round_hears_what_spoke_against_the_earlier_ones_and_of_nothing_else() -> None:
    verdict = Verdict(
        winner=3,
        ranking=(),
        reason="",
        doubts=("it changes 9 of 20 answers near tests that passed before", "what is right is shown by 1 call"),
        critic=REJECTS,
    )
    results = {1: result(1), 2: result(2, failed="2 vanished"), 3: result(3), 4: result(4)}
    told = feedback_for_next_round(results, verdict)
    assert [each.after_step for each in told] == [0, 0, 0]
    texts = [each.text for each in told]
    assert "five is no sum" in texts[0]
    assert "2 vanished" in texts[1]
    assert "9 of 20 answers" in texts[2]
    assert "shown by 1 call" not in texts[2]
    assert feedback_for_next_round({4: result(4)}, None) == ()


def test_next_round_hears_why_an_earlier_one_gave_up() -> None:
    gave_up = replace(result(1), status="gave_up", summary="the tests contradict the task", evidence=None)
    (told,) = feedback_for_next_round({1: gave_up}, None)
    assert told.text.endswith("- it gave up: the tests contradict the task")


def test_session_says_that_a_critic_gave_no_opinion() -> None:
    opening = SessionResult(
        session="s",
        status=SessionStatus.RUNNING,
        task="t",
        base=Oid("b"),
        target_branch=None,  # type: ignore[arg-type]
    )
    critic = CriticOpinion(failed="the server is down", is_self_review=True)
    settled = with_winner(
        opening, Verdict(winner=1, ranking=(), reason="candidate 1 wins", settled=True, critic=critic)
    )
    assert settled.status is SessionStatus.PASSED
    assert settled.message == "candidate 1 wins; self-review gave no opinion: the server is down"
    open_ = with_winner(opening, Verdict(winner=1, ranking=(), reason="", doubts=("x",)))
    assert (open_.status, open_.message) == (SessionStatus.UNSETTLED, "needs a person: x")
