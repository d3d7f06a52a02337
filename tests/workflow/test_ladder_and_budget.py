"""Cheap models first, the stronger ones in the next fan-out; limits told when near, and how to go on when reached."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from gitmimo.records import CandidateResult
from gitmimo.workflow.models import ModelPool
from gitmimo.workflow.plan import Plan, is_futile, next_round
from tests.conftest import CHECK, GitBuilder
from tests.project import PROJECT, RIGHT, WRONG, mimo, writes
from tests.scripted_server import Answer, Request, ScriptedServer

START = (
    "start",
    "--task",
    "add returns the difference instead of the sum; mend it",
    "--test",
    CHECK,
    "--trust-tests",
    "--json",
)


@pytest.fixture
def project(git: GitBuilder, llm_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> GitBuilder:
    monkeypatch.setenv("OPENAI_API_BASE", llm_server.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789")
    monkeypatch.setenv("GIT_MIMO_CRITIC", "none")
    monkeypatch.setenv("GIT_MIMO_DREAM", "off")
    llm_server.scripts.update(
        {
            "cheap": lambda request: writes({"calc.py": WRONG}),
            "strong": lambda request: writes({"calc.py": RIGHT}),
            "half": walks,
        }
    )
    git.commit(PROJECT, "calc: sums")
    return git


def walks(request: Request) -> Answer:
    """Look around for two steps, then mend it."""
    taken = sum(message["role"] == "assistant" for message in request.messages)
    return (
        writes({"calc.py": RIGHT})
        if taken > 1
        else Answer(tool_calls=(("shell", f'{{"command": "ls {"-a" * taken}"}}'),))
    )


@pytest.mark.parametrize(
    ("candidates", "rungs", "expected"),
    [
        (3, 1, ((1,), (2, 3))),
        (1, 1, ((1,),)),
        (3, 2, ((1,), (2, 3))),
        (4, 3, ((1,), (2,), (3, 4))),
        (2, 3, ((1,), (2,))),
        (1, 2, ((1,),)),
    ],
)
def test_rounds_put_one_candidate_on_each_rung_and_the_rest_on_the_last(
    candidates: int, rungs: int, expected: tuple[tuple[int, ...], ...]
) -> None:
    done: list[int] = []
    rounds = []
    while started := next_round(candidates, done, rungs=rungs):
        rounds.append(started)
        done += started
    assert tuple(rounds) == expected


def test_after_a_product_that_passed_one_more_starts_and_with_all_at_once_everybody() -> None:
    assert next_round(4, {1}, one_at_a_time=True) == (2,)
    assert next_round(4, {0, 1, 3}) == (2, 4)
    assert next_round(4, (), at_once=True, one_at_a_time=True) == (1, 2, 3, 4)
    assert next_round(2, {1, 2}) == ()


def test_a_ladder_starts_cheap_and_climbs_only_when_the_cheap_model_failed(
    project: GitBuilder, llm_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_MIMO_MAX_TOKENS", "1000000")
    project("config", "--add", "mimo.models", "openai/cheap")
    project("config", "--add", "mimo.models", "openai/strong")
    said = mimo(*START, "-n", "3", cwd=project.path)
    assert said.code == 0, said.err
    models = [candidate["model"] for candidate in said.json["candidates"]]
    assert (models[0], set(models[1:])) == ("openai/cheap", {"openai/strong"})
    assert said.json["winner"] in (2, 3)
    llm_server.scripts["cheap"] = llm_server.scripts["strong"]
    llm_server.requests.clear()
    said = mimo(*START, "-n", "3", cwd=project.path)
    assert said.code == 0, said.err
    assert {request.model for request in llm_server.requests} == {"cheap"}


@pytest.mark.parametrize(("effort", "tried"), [("low", 1), ("normal", 2), ("high", 3)])
def test_effort_says_after_how_many_candidates_that_bring_nothing_a_session_ends(effort: str, tried: int) -> None:
    plan = cast(Plan, SimpleNamespace(effort=effort, candidates=3))
    made = [
        CandidateResult(number=n, branch="", approach="", model="m", strategy="shell", status="finished")
        for n in (1, 2, 3)
    ]
    ends = [n for n in (1, 2) if is_futile(plan, {each.number: each for each in made[:n]}, ["m"])]
    assert (ends or [3])[0] == tried


def test_candidates_that_bring_nothing_end_a_session(project: GitBuilder, llm_server: ScriptedServer) -> None:
    near = ("--model", "openai/cheap", "--base-url", llm_server.base_url, "--max-tokens", "1000000")
    said = mimo(*START, *near, "-n", "3", cwd=project.path)
    assert (said.code, len(said.json["candidates"])) == (1, 2)
    assert "--effort high" in said.json["message"]


@pytest.mark.parametrize(("effort", "tried"), [("normal", 1), ("high", 2)])
def test_after_an_unsettled_product_of_a_small_model_no_other_is_tried_unless_more_effort_is_asked_for(
    project: GitBuilder, llm_server: ScriptedServer, effort: str, tried: int
) -> None:
    llm_server.scripts["strong"] = lambda request: Answer(text=f"```python\n{RIGHT}```")
    task = "add in calc.py returns the difference; mend it"
    start = ("start", "--task", task, "--test", CHECK, "--strategy", "patch", "--json")
    model = ("--model", "openai/strong", "--max-tokens", "1000000")
    said = mimo(*start, *model, "-n", "2", "--effort", effort, cwd=project.path)
    assert (said.code, len(said.json["candidates"])) == (2 if tried < 2 else 0, tried), said.err  # two agree
    assert ("--effort high" in said.json["message"]) is (tried < 2)


def test_one_server_of_this_machine_gets_all_calls_at_once_only_where_it_is_said_to_answer_them(
    project: GitBuilder, llm_server: ScriptedServer
) -> None:
    near = ("--model", "openai/strong", "--base-url", llm_server.base_url, "--max-tokens", "1000000")
    start = (*START[:-1], *near, "-n", "2", "--fanout", "all")
    assert "candidates take turns" in mimo(*start, cwd=project.path).err
    known: Any = {"workers": (), "of_phases": {}, "ledger": None, "limits": None, "session": "s", "is_near": True}
    assert not ModelPool(**known, answers_in_parallel=True).takes_turns


def test_a_session_that_reached_its_limit_goes_on_with_a_higher_one(project: GitBuilder) -> None:
    assert mimo("config", "set", "price.openai/half", "100", "0.001", cwd=project.path).code == 0
    whole = mimo(*START, "--model", "openai/half", "-n", "1", "--budget", "100", cwd=project.path).json["usd"]
    # the worst case of a call is far above what it takes, so that it does not fit
    said = mimo(*START, "--model", "openai/half", "-n", "1", "--budget", str(whole * 0.9), cwd=project.path)
    assert said.code == 3, said.err
    assert said.json["status"] == "budget"
    assert said.json["usd"] <= whole * 0.9
    assert "the session limit does not allow another call" in said.json["message"]
    assert "--budget USD" in said.json["message"]
    assert f"git mimo resume {said.json['session']}" in said.json["message"]
    went_on = mimo("resume", "--budget", str(whole * 30), "--json", cwd=project.path)
    assert went_on.code == 0, went_on.err
    assert went_on.json["winner"] == 1
    # room for one more session's calls at their worst
    spent = sum(row["usd"] for row in mimo("cost", "--by", "day", "--json", cwd=project.path).json["rows"])
    project("config", "mimo.budget.day", str(spent + whole * 1.45))
    fitted = mimo(*START, "--model", "openai/half", "-n", "1", cwd=project.path)
    assert fitted.code == 0, fitted.err
    stopped = mimo(*START, "--model", "openai/half", "-n", "1", cwd=project.path)
    assert stopped.code == 3
    assert "budget.day" in stopped.json["message"]
