"""Runs whose calls nobody here sees, in the ledger: reserved at their cap, settled at what they told."""

from pathlib import Path

import pytest

from gitmimo.cancel import Cancelled, CancelToken
from gitmimo.errors import LimitReached
from gitmimo.llm.budget import BudgetLimits
from gitmimo.llm.ledger import Account, Ledger
from gitmimo.llm.metered import AgentRunBudget
from gitmimo.llm.providers import FREE, Price
from gitmimo.records import Usage


def account(candidate: int) -> Account:
    return Account(session="s", candidate=candidate, phase="work", model="m", provider="p")


def test_candidates_share_the_sessions_limit_and_hold_it_until_they_have_told(tmp_path: Path) -> None:
    ledger, limits = Ledger(tmp_path), BudgetLimits(session_usd=1.0, session_tokens=1000)
    first, second, third = (AgentRunBudget(ledger, limits, account(n), share=2) for n in (1, 2, 3))
    assert first.begin() == 0.5
    assert second.begin() == 0.5
    assert [usage.in_flight for usage in ledger.limit_usages(account(1), limits)] == [pytest.approx(1e9, abs=2), 1000]
    with pytest.raises(Cancelled):  # the others hold everything: it would wait
        third.begin(CancelToken(lambda: True))
    assert first.end(Usage(prompt=100, completion=20), 0.10, seconds=1.0, calls=3) == 0.10
    assert second.end(None, None, seconds=1.0, calls=0) == pytest.approx(0.5)  # it told nothing: all of its cap
    assert third.begin() == pytest.approx(0.4)
    third.settle_unknown()
    assert ledger.total("s").usd == pytest.approx(1.0)
    assert ledger.total("s").usage.total == 120
    with pytest.raises(LimitReached, match="session limit"):
        AgentRunBudget(ledger, limits, account(4), share=2).begin()


@pytest.mark.parametrize(
    ("price", "usage", "usd", "cost"),
    [
        pytest.param(None, Usage(prompt=1000), 0.25, 0.25, id="money told"),
        pytest.param(None, Usage(prompt=1000), None, 2.0, id="tokens only, price unknown: the cap"),
        pytest.param(Price(prompt=0.001, completion=0.0), Usage(prompt=1000), None, 1.0, id="tokens at our price"),
        pytest.param(Price(prompt=0.001, completion=0.0), Usage(prompt=1000), 0.25, 1.0, id="the dearer of the two"),
        pytest.param(FREE, None, None, 0.0, id="local and nothing told"),
        pytest.param(FREE, Usage(prompt=1000), None, 0.0, id="local"),
    ],
)
def test_what_a_run_told_is_what_it_costs(
    tmp_path: Path, price: Price | None, usage: Usage | None, usd: float | None, cost: float
) -> None:
    ledger = Ledger(tmp_path)
    run = AgentRunBudget(ledger, BudgetLimits(session_usd=2.0), account(1), price=price)
    run.begin()
    assert run.end(usage, usd, seconds=1.0, calls=3) == pytest.approx(cost)
    assert ledger.total("s").usd == pytest.approx(cost)
    assert ledger.total("s").usage == (usage or Usage())
    assert ledger.total("s").calls == 3


def test_a_candidates_own_limit_is_its_cap_and_without_limits_there_is_none(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    own = BudgetLimits(session_usd=3.0, candidate_usd=2.5)
    assert AgentRunBudget(ledger, own, account(1), share=3).begin() == 2.5
    free = AgentRunBudget(ledger, BudgetLimits(), account(2))
    assert free.begin() is None
    assert free.end(None, None, seconds=1.0, calls=0) is None
    assert ledger.total("s").lost == 2
