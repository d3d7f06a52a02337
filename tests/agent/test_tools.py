"""The tools protocol: calls become actions, and wrong ones say what was wrong."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitmimo.agent.shell.tools import calls_in_text, offered_tools, parse_calls
from gitmimo.records import ActionKind, ToolCall


def call(name: str, arguments: object) -> ToolCall:
    return ToolCall(id="c1", name=name, arguments=arguments if isinstance(arguments, str) else json.dumps(arguments))


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("shell", {"command": "ls"}, ("shell", "", "", "ls")),
        ("functions.shell", {"command": "ls"}, ("shell", "", "", "ls")),
        ("bash", {"cmd": "ls"}, ("shell", "", "", "ls")),
        ("edit", {"path": "./a.py", "old": "x", "new": "y"}, ("edit", "a.py", "x", "y")),
        ("edit", {"path": "a.py", "old_str": "x", "new_str": ""}, ("edit", "a.py", "x", "")),
        ("write", {"path": "a", "content": ""}, ("write", "a", "", "")),
        ("write", '{"path": "a", "content": "one\ntwo"}', ("write", "a", "", "one\ntwo")),
        ("write", "{'path': 'a', 'content': 'it\\'s'}", ("write", "a", "", "it's")),
        ("shell", '{"command": "ls",}', ("shell", "", "", "ls")),
        ("shell", json.dumps(json.dumps({"command": "ls"})), ("shell", "", "", "ls")),
        ("show", {"step": 12}, ("show", "", "", "12")),
        ("plan", {"text": ["1. a", "2. b"]}, ("plan", "", "", "1. a\n2. b")),
        ("finish", {"summary": "ok"}, ("finish", "", "", "ok")),
        ("give_up", {"reason": "no"}, ("give_up", "", "", "no")),
    ],
)
def test_a_call_becomes_an_action(name: str, arguments: object, expected: tuple[str, ...]) -> None:
    (action,) = parse_calls([call(name, arguments)])
    assert (action.kind.value, action.path, action.old, action.text) == expected
    assert action.call_id == "c1"


@pytest.mark.parametrize(
    ("name", "arguments", "word"),
    [
        ("fly", {}, "no tool `fly`"),
        ("shell", {}, "needs `command`"),
        ("shell", {"comand": "ls"}, "given: comand"),
        ("shell", '{"command": "ls', "not a JSON object"),
        ("shell", "[1]", "not a JSON object"),
        ("edit", {"path": "a", "old": "x"}, "needs `old` and `new`"),
    ],
)
def test_a_wrong_call_says_what_was_wrong(name: str, arguments: object, word: str) -> None:
    (action,) = parse_calls([call(name, arguments)])
    assert action.kind is ActionKind.INVALID
    assert word in action.text


def test_a_call_cut_at_the_output_limit_is_explained_by_that() -> None:
    first, last = parse_calls([call("shell", {"command": "ls"}), call("write", '{"path": "a", "conte')], cut=True)
    assert first.kind is ActionKind.SHELL
    assert "cut at the output limit" in last.text


@pytest.mark.parametrize(("given", "seconds"), [(5, 5.0), ("7", 7.0), (-1, None), ("soon", None)])
def test_a_time_limit_is_taken_when_it_makes_sense(given: object, seconds: float | None) -> None:
    (action,) = parse_calls([call("shell", {"command": "ls", "timeout": given})])
    assert action.timeout_s == seconds


def test_calls_written_into_the_text_are_found() -> None:
    text = 'So\n<tool_call>\n{"name": "shell", "arguments": {"command": "ls"}}\n</tool_call>'
    (action,) = parse_calls(calls_in_text(text))
    assert (action.kind, action.text) == (ActionKind.SHELL, "ls")


@given(name=st.sampled_from([tool.name for tool in offered_tools()]) | st.text(), arguments=st.text())
def test_no_call_breaks_the_parser(name: str, arguments: str) -> None:
    assert len(parse_calls([ToolCall(id="", name=name, arguments=arguments)])) == 1


def test_edits_of_one_call_become_actions_in_order() -> None:
    edits = [{"old": "a", "new": "b"}, {"old": "c", "new": "d", "replace_all": True}]
    first, second = parse_calls([call("edit", {"path": "f", "edits": edits})])
    assert (first.old, first.text, first.replace_all) == ("a", "b", False)
    assert (second.old, second.text, second.replace_all) == ("c", "d", True)
    assert first.call_id == second.call_id == "c1"


def test_edits_written_as_a_string_are_read() -> None:
    (action,) = parse_calls([call("edit", {"path": "f", "edits": json.dumps([{"old": "a", "new": "b"}])})])
    assert (action.old, action.text) == ("a", "b")


def test_lines_of_a_file_are_asked_for_by_numbers() -> None:
    (action,) = parse_calls([call("read", {"path": "f", "first": 3, "last": "9"})])
    assert (action.kind, action.path, action.first, action.last) == (ActionKind.READ, "f", 3, 9)
