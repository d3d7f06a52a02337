"""The ledger: limits hold, whoever calls, however calls end."""

import contextlib
import os
import random
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gitmimo.errors import BadReply, LimitReached, MimoError, RateLimited, UnknownPrice
from gitmimo.llm.budget import NANO, BudgetLimits, Estimate, LimitUsage, Scope, Unit, grant
from gitmimo.llm.connection import Timeouts
from gitmimo.llm.http_client import Endpoint, HttpBackend
from gitmimo.llm.ledger import Account, Ledger, Reservation
from gitmimo.llm.metered import meter_model
from gitmimo.llm.model import ModelInfo, RemoteModel, RetryPolicy
from gitmimo.llm.providers import Price
from gitmimo.processes import is_alive, process_name
from gitmimo.records import Message, Usage
from tests.llm.asking import ask
from tests.scripted_model import ScriptedModel
from tests.scripted_server import Answer, Fault, Request, ScriptedServer

PRICE = Price(prompt=1e-6, completion=4e-6)
ASK = (Message(role="user", content="do it"),)
ACCOUNT = Account(session="s", candidate=1, phase="candidate", model="openai/m", provider="openai")


def need(prompt: int, completion: int) -> Estimate:
    return Estimate(prompt=prompt, completion=completion, price=PRICE)


def reserved(answer: Reservation | float) -> Reservation:
    assert isinstance(answer, Reservation)
    return answer


def routed(server: ScriptedServer, *, read_s: float = 5.0, total_s: float = 20.0) -> RemoteModel:
    endpoint = Endpoint(
        base_url=server.base_url,
        provider="openai",
        model="m",
        name="openai/m",
        timeouts=Timeouts(read_s=read_s, total_s=total_s),
    )
    return RemoteModel(
        "openai/m",
        HttpBackend(endpoint),
        lambda: ModelInfo(name="openai/m", window=8192),
        provider="openai",
        price=PRICE,
        policy=RetryPolicy(first_wait_s=0.002, longest_wait_s=0.05),
    )


def scripted(replies: Iterable[str | Exception], price: Price | None) -> RemoteModel:
    model = ScriptedModel(replies)
    policy = RetryPolicy(attempts=1)
    return RemoteModel("scripted/model", model, lambda: model.info, provider="scripted", price=price, policy=policy)


def metered(
    model: RemoteModel,
    ledger: Ledger,
    limits: BudgetLimits,
    *,
    candidate: int = 0,
) -> RemoteModel:
    account = Account(session="s", candidate=candidate, phase="work", model=model.name, provider=model.provider)
    return meter_model(model, ledger, account, limits)


def test_a_reservation_counts_until_it_is_settled(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    limits = BudgetLimits(session_usd=0.01)
    place = reserved(ledger.reserve(ACCOUNT, need(1000, 1000), limits))
    assert ledger.limit_usages(ACCOUNT, limits)[0].spent == 5_000_000
    ledger.settle(place, Usage(prompt=100, completion=10), PRICE.cost_usd(Usage(prompt=100, completion=10)), seconds=1)
    assert ledger.limit_usages(ACCOUNT, limits)[0].spent == 140_000
    assert ledger.total("s").usage == Usage(prompt=100, completion=10)


def test_what_was_lost_stays_counted_at_its_worst(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    place = reserved(ledger.reserve(ACCOUNT, need(1000, 1000), BudgetLimits()))
    ledger.settle_unknown(place, Usage(prompt=10, completion=3))
    spent = ledger.total("s")
    assert (spent.usd, spent.lost, spent.usage) == (0.005, 1, Usage(prompt=10, completion=3))


def test_a_released_call_leaves_nothing(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.release(reserved(ledger.reserve(ACCOUNT, need(1000, 1000), BudgetLimits())))
    assert ledger.total("s").calls == 0


def test_near_a_limit_a_call_gets_less_output(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    limits = BudgetLimits(session_usd=0.0055)
    place = reserved(ledger.reserve(ACCOUNT, need(1500, 4096), limits))
    assert place.completion == 1000
    ledger.settle(place, Usage(prompt=1500, completion=1000), 0.0055, seconds=0)
    with pytest.raises(LimitReached, match=r"session limit .* \$0\.0055 of \$0\.0055 spent") as caught:
        ledger.reserve(ACCOUNT, need(1, 1), limits)
    assert caught.value.limit == "session.usd"


def test_a_call_waits_for_reservations_that_may_shrink(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    limits = BudgetLimits(session_tokens=3000)
    place = reserved(ledger.reserve(ACCOUNT, need(1000, 1000), limits))
    assert isinstance(ledger.reserve(ACCOUNT, need(1000, 1000), limits), float)
    ledger.settle(place, Usage(prompt=500, completion=10), 0, seconds=0)
    assert reserved(ledger.reserve(ACCOUNT, need(1000, 1000), limits)).completion == 1000


def test_each_scope_stops_by_itself(tmp_path: Path) -> None:
    now = 1_800_000_000.0
    ledger = Ledger(tmp_path, clock=lambda: now)

    def spend(session: str, candidate: int, limits: BudgetLimits) -> str:
        account = Account(session=session, candidate=candidate, phase="p", model="m", provider="x")
        try:
            place = reserved(ledger.reserve(account, need(100, 100), limits))
        except LimitReached as reached:
            return reached.limit
        ledger.settle(place, Usage(prompt=100, completion=100), 0.0005, seconds=0)
        return ""

    candidate = BudgetLimits(candidate_tokens=200)
    assert [spend("a", 1, candidate), spend("a", 1, candidate), spend("a", 2, candidate)] == [
        "",
        "candidate.tokens",
        "",
    ]
    assert [spend("a", 3, BudgetLimits(session_usd=0.0015)) for _ in range(2)] == ["", "session.usd"]
    day = BudgetLimits(day_usd=0.002)
    assert [spend("b", 1, day), spend("c", 1, day)] == ["", "day.usd"]
    now += 86_400
    assert spend("c", 1, day) == ""
    assert spend("c", 1, BudgetLimits(month_usd=0.0025)) == "month.usd"
    now += 31 * 86_400
    assert spend("c", 1, BudgetLimits(month_usd=0.0025)) == ""


def test_reservations_of_a_dead_process_are_waited_for_by_nobody(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    limits = BudgetLimits(session_tokens=3000)
    reserved(ledger.reserve(ACCOUNT, need(1000, 1000), limits))
    with ledger._transaction() as db:
        db.execute("UPDATE calls SET process = '4000000:1:gone'")
    assert reserved(ledger.reserve(ACCOUNT, need(500, 1000), limits)).completion == 500
    assert ledger.total("s").lost == 2


def test_a_process_is_known_by_more_than_its_number() -> None:
    name = process_name(os.getpid())
    assert is_alive(name)
    assert not is_alive(name.replace(":", ":9", 1))
    assert not is_alive("nonsense")


def test_sums_are_given_by_what_one_asks_for(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    for candidate, model in ((1, "a"), (1, "b"), (2, "a")):
        account = Account(session="s", candidate=candidate, phase="candidate", model=model, provider="x")
        place = reserved(ledger.reserve(account, need(10, 10), BudgetLimits()))
        ledger.settle(place, Usage(prompt=10, cached=5, completion=1), 0.25, seconds=2)
    assert {s.key: (s.usd, s.calls, s.usage.cached) for s in ledger.spent(by="model")} == {
        "a": (0.5, 2, 10),
        "b": (0.25, 1, 5),
    }
    assert [(s.key, s.calls) for s in ledger.spent(by="candidate", session="s")] == [("1", 2), ("2", 1)]
    assert len(ledger.spent(by="day")) == 1
    with pytest.raises(MimoError):
        ledger.spent(by="model; DROP TABLE calls")


def test_a_ledger_of_another_version_is_left_alone(tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "ledger.sqlite3")) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(MimoError, match="another version"):
        Ledger(tmp_path).total("s")


def test_a_file_that_is_no_ledger_is_told(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite3").write_bytes(b"not a database, by far" * 100)
    with pytest.raises(MimoError, match="ledger cannot be used"):
        Ledger(tmp_path).total("s")


def test_an_unknown_price_is_refused_without_token_limit(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    with pytest.raises(UnknownPrice) as caught:
        metered(scripted(["x"], None), ledger, BudgetLimits(session_usd=1))
    assert "price.scripted/model" in caught.value.hint
    model = metered(scripted(["x"], None), ledger, BudgetLimits(session_tokens=10_000))
    assert ask(model, ASK).cost_usd is None


def test_a_failed_call_that_was_not_charged_costs_nothing(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    model = metered(scripted([RateLimited("no"), "x"], PRICE), ledger, BudgetLimits())
    with pytest.raises(RateLimited):
        ask(model, ASK)
    assert ledger.total("s").usd == 0
    assert ask(model, ASK).cost_usd == pytest.approx(ledger.total("s").usd)


def test_a_repeated_attempt_has_its_own_place(tmp_path: Path, llm_server: ScriptedServer) -> None:
    llm_server.scripts["m"] = [Answer(text="x" * 80, fault=Fault.CUT), Answer(status=500), "fine"]
    ledger = Ledger(tmp_path)
    model = metered(routed(llm_server), ledger, BudgetLimits())
    ask(model, ASK, max_tokens=100)
    spent = ledger.total("s")
    assert (spent.calls, spent.lost) == (2, 1)


def test_the_known_beginning_of_a_prompt_is_not_reserved_by_the_byte(
    tmp_path: Path, llm_server: ScriptedServer
) -> None:
    llm_server.scripts["m"] = [Answer(text="ok", repeat=True)]
    ledger = Ledger(tmp_path)
    model = metered(routed(llm_server), ledger, BudgetLimits(session_tokens=9000))
    long = (Message(role="user", content="word " * 1000),)
    ask(model, long, max_tokens=100)
    ask(model, (*long, Message(role="assistant", content="ok"), *ASK), max_tokens=4096)
    assert llm_server.requests[1].body["max_tokens"] == 4096


@pytest.mark.parametrize(
    ("left", "granted"),
    [(40_000, 32_768), (9_000, 9_000), (8_000, None)],
)
def test_a_call_waits_for_running_ones_only_where_little_is_left(left: int, granted: int | None) -> None:
    wanted = Estimate(prompt=0, completion=32_768, price=None)
    usage = LimitUsage(scope=Scope.SESSION, unit=Unit.TOKENS, limit=100_000, spent=100_000 - left, in_flight=50_000)
    assert grant(wanted, [usage]) == granted


def test_what_is_granted_never_exceeds_what_is_left() -> None:
    rng = random.Random(5)
    for _ in range(3000):
        price = Price(prompt=rng.random() * 1e-5, completion=rng.random() * 1e-5, per_request=rng.random() * 1e-3)
        wanted = Estimate(prompt=rng.randrange(5000), completion=rng.randrange(1, 5000), price=price)
        limit = rng.randrange(NANO // 50)
        limit_usage = LimitUsage(scope=Scope.DAY, unit=Unit.USD, limit=limit, spent=rng.randrange(limit + 1))
        left = limit - limit_usage.spent
        try:
            granted = grant(wanted, [limit_usage])
        except LimitReached:
            assert wanted.nano_usd(min(256, wanted.completion) + 1) > left
        else:
            assert wanted.nano_usd(granted) <= left
            assert granted == wanted.completion or wanted.nano_usd(granted + 2) > left


# --- 200 random trials -----------------------------------------------------------------------------------------------


def moody(rng: random.Random, lock: threading.Lock) -> Callable[[Request], Answer]:
    """A provider on a bad day: latencies, 429 storms, faults, missing usage, hanging and endless streams."""

    def answer(request: Request) -> Answer:
        with lock:
            latency_s, kind, size = rng.random() * 0.004, rng.random(), rng.randrange(4, 600)
        if kind < 0.15:
            return Answer(status=429, text="slow down", headers={"Retry-After": "0.01"})
        if kind < 0.2:
            return Answer(status=500, text="oops")
        fault = Fault.NONE
        for share, named in ((0.23, Fault.HANG), (0.26, Fault.HANG_MIDWAY), (0.3, Fault.CUT), (0.32, Fault.ENDLESS),
                             (0.34, Fault.BABBLE), (0.36, Fault.WRONG_JSON), (0.38, Fault.ERROR_MIDWAY)):  # fmt: skip
            if kind < share:
                fault = named
                break
        return Answer(text="y" * size, fault=fault, usage=kind < 0.8, latency_s=latency_s)

    return answer


def run_eight(model: RemoteModel, ledger: Ledger, limits: BudgetLimits) -> None:
    """Eight candidates of three calls each, at the same time."""

    def work(number: int) -> None:
        limited = metered(model, ledger, limits, candidate=number)
        for _ in range(3):
            try:
                ask(limited, ASK, max_tokens=64)
            except LimitReached:
                return
            except (RateLimited, BadReply):
                continue

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))


@pytest.mark.parametrize("seed", range(8))
def test_eight_candidates_near_the_limit_never_overshoot(tmp_path: Path, seed: int) -> None:
    for trial in range(25):
        rng = random.Random(seed * 1000 + trial)
        limit_usd = rng.choice((0.0004, 0.001, 0.003))
        in_tokens = trial % 3 == 0
        limits = BudgetLimits(session_tokens=1200) if in_tokens else BudgetLimits(session_usd=limit_usd)
        ledger = Ledger(tmp_path / str(trial))
        with ScriptedServer({"m": moody(rng, threading.Lock())}) as server:
            model = routed(server, read_s=0.06, total_s=0.15)
            run_eight(model, ledger, limits)
            model.close()
        billed = server.billed
        billed_usd = PRICE.cost_usd(Usage(prompt=billed.prompt, completion=billed.completion))
        limit_usage = ledger.limit_usages(ACCOUNT, limits)[0]
        assert limit_usage.spent <= limit_usage.limit
        assert limit_usage.in_flight == 0
        assert ledger.total("s").usd >= billed_usd - 1e-9
        if in_tokens:
            assert billed.prompt + billed.completion <= 1200
        else:
            assert billed_usd <= limit_usd + 1e-12
        ledger.close()


def test_the_same_eight_without_limit_spend_more(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    with ScriptedServer({"m": moody(random.Random(1), threading.Lock())}) as server:
        model = routed(server, read_s=0.2, total_s=0.5)
        run_eight(model, ledger, BudgetLimits())
        model.close()
    billed = server.billed
    assert PRICE.cost_usd(Usage(prompt=billed.prompt, completion=billed.completion)) > 0.003
    assert ledger.total("s").lost > 0


WORKER = """
import sys, threading
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from tests.llm.test_ledger import ASK, BudgetLimits, Ledger, ask, metered, routed
class Server:
    base_url = sys.argv[1]
ledger = Ledger(Path(sys.argv[2]))
model = metered(routed(Server), ledger, BudgetLimits(session_usd=1))
def work():
    while True:
        ask(model, ASK, max_tokens=64)
for _ in range(4):
    threading.Thread(target=work, daemon=True).start()
threading.Event().wait()
"""


def test_after_kill_nine_the_ledger_is_not_below_the_servers_count(tmp_path: Path, llm_server: ScriptedServer) -> None:
    llm_server.scripts["m"] = lambda request: Answer(text="z" * 200, latency_s=random.random() * 0.01, pieces=8)
    ledger = Ledger(tmp_path)
    root = str(Path(__file__).parent.parent.parent)
    for round_number in range(3):
        before = len(llm_server.requests)
        argv = [sys.executable, "-c", WORKER, llm_server.base_url, str(tmp_path), root]
        with subprocess.Popen(argv) as process:
            try:
                until = time.monotonic() + 30
                while len(llm_server.requests) < before + 10 + round_number * 7 and time.monotonic() < until:
                    assert process.poll() is None
                    time.sleep(0.001)
            finally:
                process.kill()
        assert len(llm_server.requests) >= before + 10
    time.sleep(0.1)
    billed = llm_server.billed
    spent = ledger.total("s")
    assert spent.usd >= PRICE.cost_usd(Usage(prompt=billed.prompt, completion=billed.completion))
    assert spent.calls >= billed.requests
    assert spent.lost <= 12
