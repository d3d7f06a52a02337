"""Loops are found, and work that only looks alike is left alone."""

import pytest

from gitmimo.agent.shell.stuck_detector import Call, StuckDetector, calls_of, find_loop, repeats_itself
from gitmimo.records import Action, ActionKind, Observation


def run(what: str, result: str = "", *, failed: bool = False, changed: bool = False) -> Call:
    return Call(what=f"shell  0 {what}", result=result or what, failed=failed, changed=changed)


def edit(what: str, *, failed: bool = False, path: str = "a.py") -> Call:
    return Call(what=what, result=what, edits=path, failed=failed, changed=not failed)


def calls(letters: str) -> list[Call]:
    """One call per letter; the same letter is the same call with the same result."""
    return [run(letter) for letter in letters]


TEST = run("pytest", "1 failed", failed=True)
READS = [run(f"sed -n {i}p") for i in range(30)]


@pytest.mark.parametrize(
    ("history", "word"),
    [
        pytest.param(calls("xaaa"), "3 times", id="identical"),
        pytest.param([TEST, run("ls"), TEST, run("cat"), TEST], "failed 3 times", id="failing-with-looks-between"),
        pytest.param([edit(f"e{i}", failed=True) for i in range(4)], "did not match", id="edits-that-miss"),
        pytest.param(calls("zababab"), "2 calls in turn", id="cycle-of-2"),
        pytest.param(calls("baabaa"), "2 calls in turn", id="irregular-round"),
        pytest.param(calls("abcabcabc"), "3 calls in turn", id="cycle-of-3"),
        pytest.param(calls("abcdabcdabcd"), "4 calls in turn", id="cycle-of-4"),
        pytest.param([edit("a to b"), edit("b to a")] * 3, "2 calls in turn", id="edit-and-back"),
        pytest.param(calls("abcdefg" * 3), "7 calls in turn", id="rotation"),
        pytest.param(calls("abcdeedcbaacebdbdace"), "5 calls in turn", id="rotation-without-order"),
        pytest.param([edit(str(i % 6)) for i in range(40)], "6 calls in turn", id="rotation-of-changes"),
    ],
)  # fmt: skip
def test_a_loop_is_found(history: list[Call], word: str) -> None:
    assert word in find_loop(history)


@pytest.mark.parametrize(
    "history",
    [
        pytest.param([], id="nothing"),
        pytest.param(calls("aa"), id="twice"),
        pytest.param(calls("abaca"), id="irregular"),
        pytest.param([run("status", str(i)) for i in range(7)], id="polling-a-while"),
        pytest.param([call for i in range(5) for call in (edit(f"e{i}"), TEST)], id="test-edit-test"),
        pytest.param(
            [call for i in range(9) for call in (edit(f"e{i}"), run("pytest", f"{9 - i} failed", failed=True))],
            id="tests-that-get-better",
        ),
        pytest.param([TEST, run("sed -i", changed=True), TEST, run("sed -i 2", changed=True), TEST], id="shell-edits"),
        pytest.param(READS, id="reading-on"),
        pytest.param([edit(f"e{i}", failed=True) for i in range(3)] + [edit("ok")], id="an-edit-that-hits-at-last"),
        pytest.param([edit(f"e{i}", failed=True, path=f"{i}.py") for i in range(6)], id="misses-in-many-files"),
        pytest.param(calls("abcabdabcabe"), id="nearly-a-cycle"),
        pytest.param([run("grep x", "none", failed=True), *READS, run("grep y", "none", failed=True)], id="two-greps"),
    ],
)
def test_work_is_no_loop(history: list[Call]) -> None:
    assert find_loop(history) == ""


def test_a_loop_is_answered_by_a_reminder_then_a_plan_then_the_end() -> None:
    guard = StuckDetector()
    answers = [nudge for call in calls("a" * 20) if (nudge := guard.add([call]))]
    assert [answer.is_end for answer in answers[:3]] == [False, False, True]
    assert "new plan" in answers[1].text
    guard = StuckDetector()
    stopped = next(i for i, call in enumerate(calls("a" * 20), 1) if (n := guard.add([call])) and n.is_end)
    assert stopped == 7


def test_a_loop_long_ago_is_forgiven_after_real_work() -> None:
    guard = StuckDetector()
    for call in [*calls("aaa"), edit("e"), *READS]:
        guard.add([call])
    (nudge,) = [n for call in calls("bbb") if (n := guard.add([call]))]
    assert nudge.text.startswith("You repeat yourself")


def test_the_same_steps_give_the_same_nudges() -> None:
    history = calls("abababcaaaaa" * 5)
    first, second = StuckDetector(), StuckDetector()
    assert [first.add([call]) for call in history] == [second.add([call]) for call in history]


def test_the_guard_does_not_slow_down_with_the_history() -> None:
    guard = StuckDetector()
    for number in range(3000):
        guard.add([run(str(number))])
    assert len(guard._calls) <= 48


def test_times_in_a_result_are_no_progress() -> None:
    action = Action(kind=ActionKind.SHELL, text="pytest  -q")
    one = calls_of([action], [Observation(text="1 failed in 0.31s", exit_code=1)])
    two = calls_of(
        [Action(kind=ActionKind.SHELL, text="pytest -q")], [Observation(text="1 failed in 0.42s", exit_code=1)]
    )
    assert one == two


TABLE = "\n".join(f"| case {i} | yes | no | yes | no |" for i in range(200))
CELLS = " ".join("yes no yes no ja nein" for _ in range(10))
LIST = "\n".join(f"- step {i}: read the module number {i} and write down what it does" for i in range(30))
CJK = "这个函数读取配置文件并且返回一个字典,如果文件不存在就抛出异常。调用者应该处理这个异常。" * 3
CODE = "```python\n" + "assert f(1) == 2\n" * 200 + "```"


@pytest.mark.parametrize(
    "text",
    [
        "I will try again and look at the file. " * 30,
        "x = 1\n" + "the same sentence is said once more\n" * 25,
        "我再试一次看看这个文件有没有问题。" * 40,
        "Wait, let me check the code again. Hmm, so it is. " * 25,
    ],
)
def test_a_text_that_repeats_itself_is_known(text: str) -> None:
    assert repeats_itself(text)


@pytest.mark.parametrize("text", ["", "Done.", TABLE, CELLS, LIST, CJK, CODE, "=" * 3000, "- " * 800, "0 1 0 1 " * 300])
def test_tables_lists_code_and_cjk_are_no_repetition(text: str) -> None:
    assert not repeats_itself(text)
