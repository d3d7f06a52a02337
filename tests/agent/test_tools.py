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


PATCH = """*** Begin Patch
*** Update File: src/a.py
@@ def f():
 def f():
-    return 1
+    return 2
@@
-x
+y
*** Add File: new.txt
+one
+two
*** Delete File: it's old.txt
*** End Patch"""


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("apply_patch", {"input": PATCH}),
        ("shell", {"command": f"apply_patch <<'EOF'\n{PATCH}\nEOF\n"}),
    ],
)
def test_a_patch_becomes_edits_writes_and_commands(name: str, arguments: object) -> None:
    first, second, new, gone = parse_calls([call(name, arguments)])
    assert (first.kind, first.path) == (ActionKind.EDIT, "src/a.py")
    assert (first.old, first.text) == ("def f():\n    return 1\n", "def f():\n    return 2\n")
    assert (second.old, second.text) == ("x\n", "y\n")
    assert (new.kind, new.path, new.text) == (ActionKind.WRITE, "new.txt", "one\ntwo\n")
    assert (gone.kind, gone.text) == (ActionKind.SHELL, "rm -- 'it'\"'\"'s old.txt'")


def test_a_file_that_a_patch_moves_is_edited_and_moved() -> None:
    patch = "*** Begin Patch\n*** Update File: a.py\n*** Move to: lib/b.py\n@@\n-x\n+y\n*** End Patch"
    edit, move = parse_calls([call("apply_patch", {"patch": patch})])
    assert (edit.path, edit.old) == ("a.py", "x\n")
    assert move.text == "mkdir -p -- lib && mv -- a.py lib/b.py"


@pytest.mark.parametrize("patch", ["no patch", "*** Update File: a\n@@\nplain\n", "*** Update File: a\n@@\n a\n"])
def test_a_patch_that_cannot_be_read_says_why(patch: str) -> None:
    (action,) = parse_calls([call("apply_patch", {"patch": patch})])
    assert action.kind is ActionKind.INVALID
    assert "the patch can't be read" in action.text
