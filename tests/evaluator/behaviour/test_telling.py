"""Which differences are shown first."""

from gitmimo.evaluator.behaviour.calls import Call
from gitmimo.evaluator.behaviour.tally import Compared
from gitmimo.ids import Oid

TREE = Oid("a" * 40)


def call(argument: object) -> Call:
    step = {"do": "call", "of": "stock:order", "args": [argument], "named": {}}
    return Call(function="stock.py::order", steps=(step,))


def test_calls_that_differ_from_another_in_literals_only_come_last() -> None:
    calls = (call("glue"), call("lue"), call("glu"), call(["glue", "nails"]))
    compared = Compared(calls=calls, before=tuple({"steps": [{"value": 1}]} for _ in calls))
    compared.answers[TREE] = tuple({"steps": [{"value": 2}]} for _ in calls)
    shown = [compared.calls[number].text for number in compared.telling(TREE)]
    assert shown == ["order('lue')", "order(['glue', 'nails'])", "order('glu')", "order('glue')"]
