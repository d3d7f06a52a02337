"""`git mimo cost`: what was spent, added up."""

from pathlib import Path

import pytest

from gitmimo.llm.budget import BudgetLimits, Estimate
from gitmimo.llm.ledger import Account, Ledger, Reservation
from gitmimo.llm.providers import Price
from gitmimo.records import Usage
from tests.conftest import GitBuilder
from tests.project import mimo


def spend(ledger: Ledger, model: str, cost_usd: float, *, session: str = "13nkg5ehir", candidate: int = 1) -> None:
    account = Account(session=session, candidate=candidate, phase="work", model=model, provider=model.split("/")[0])
    price = Price(prompt=1e-6, cached=1e-6, completion=1e-6)
    found = ledger.reserve(account, Estimate(prompt=9000, completion=1000, price=price), BudgetLimits())
    assert isinstance(found, Reservation)
    ledger.settle(found, Usage(prompt=9000, completion=1000), cost_usd, seconds=1.0)


def test_rows_add_up_and_free_models_cost_nothing(git: GitBuilder) -> None:
    assert "nothing was spent yet" in mimo("cost", cwd=git.path).err
    ledger = Ledger(Path(git.path) / ".git/mimo")
    spend(ledger, "deepseek/deepseek-chat", 4.0)
    spend(ledger, "deepseek/deepseek-chat", 4.0, session="13nkg5ehis")
    spend(ledger, "anthropic/claude-of-a-rather-long-name", 0.02)
    spend(ledger, "local/qwen", 0.0)
    ledger.close()
    said = mimo("cost", "--by", "model", cwd=git.path)
    assert said.code == 0, said.err
    rows = {line.split()[0]: line.split()[1:] for line in said.out.splitlines()[1:]}
    assert rows["all"] == ["$8.02", "40k", "4"]
    assert rows["local/qwen"] == ["$0", "10k", "1"]
    by_session = mimo("cost", "--json", cwd=git.path).json["rows"]
    assert [row["usd"] for row in by_session] == [pytest.approx(4.02), pytest.approx(4.0)]


def test_calls_that_no_candidate_made_are_named(git: GitBuilder) -> None:
    mimo("cost", cwd=git.path)
    ledger = Ledger(Path(git.path) / ".git/mimo")
    spend(ledger, "openai/m", 1.0)
    spend(ledger, "openai/m", 0.5, candidate=0)
    ledger.close()
    said = mimo("cost", "--by", "candidate", cwd=git.path).out
    assert "13nkg5ehir plan, review  $0.50" in said
    assert "13nkg5ehir/1" in said
