"""The shell strategy on real directories: what is run, what is refused, and how it ends."""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from gitmimo.agent.runner import pick_strategy
from gitmimo.errors import CheckError, ContextOverflow, LimitReached, NoRoute
from gitmimo.llm.model import ChatRequest
from gitmimo.records import ActionKind, CommandResult, Message, Reply, Step, StopReason, ToolCall, Usage
from tests.agent.workshop import RealWorkspace, call, calls, run
from tests.scripted_model import ScriptedModel


@pytest.fixture
def place(tmp_path: Path) -> RealWorkspace:
    root = tmp_path / "tree"
    root.mkdir()
    (root / "a.py").write_text("x = 1\n")
    return RealWorkspace(root)


def _comparable(prompt: Sequence[Message]) -> list[object]:
    """A prompt without its directory and durations."""
    return [(m.role, re.sub(r"/tree-\w+|\d\.\d s", "", m.content), m.tool_calls, m.tool_call_id) for m in prompt]


def told(model: ScriptedModel, index: int = -1) -> str:
    """The last message of a prompt: what came of the step before."""
    return model.calls[index][-1].content


def test_a_task_is_done_with_tools(place: RealWorkspace) -> None:
    steps: list[Step] = []
    model = ScriptedModel(
        [
            call("shell", command="cat a.py"),
            call("edit", path="a.py", old="x = 1", new="x = 2"),
            replace(call("finish", summary="x is two"), usage=Usage(prompt=300, completion=7)),
        ]
    )
    trajectory = run(place, model, steps=steps, task="make x two", approach="Directly.")
    assert (trajectory.stop_reason, trajectory.summary) == (StopReason.FINISHED, "x is two")
    assert (place.root / "a.py").read_text() == "x = 2\n"
    assert [step.number for step in steps] == [1, 2, 3]
    assert trajectory.steps[1].changed_paths == ("a.py",)
    assert trajectory.steps[1].commit == f"{2:040x}"
    assert (trajectory.llm_calls, trajectory.usage.prompt) == (3, 300)
    assert "<output>\nx = 1\n</output>" in told(model, 1)
    first = model.calls[0]
    assert [message.role for message in first] == ["system", "user"]
    assert "make x two" in first[1].content
    assert first[1].content.endswith("# Suggested approach\n\nDirectly.")


def test_a_task_is_done_with_text(place: RealWorkspace) -> None:
    model = ScriptedModel(
        [
            "I look.\n```bash\ncat a.py\n```",
            "FILE: a.py\n```\n<<<<<<< SEARCH\nx = 1\n=======\nx = 2\n>>>>>>> REPLACE\n```\nFINISH: done",
        ],
        supports_tools=False,
    )
    assert run(place, model).stop_reason is StopReason.FINISHED
    assert (place.root / "a.py").read_text() == "x = 2\n"
    assert re.match(r"\[1\] exit 0, \d\.\d s\n<output>\nx = 1", told(model))


def test_an_honest_exit_is_honoured_with_its_reason(place: RealWorkspace) -> None:
    trajectory = run(place, ScriptedModel([call("give_up", reason="the tests contradict the task")]))
    assert (trajectory.stop_reason, trajectory.summary) == (StopReason.GAVE_UP, "the tests contradict the task")


def test_calls_of_one_reply_run_in_order(place: RealWorkspace) -> None:
    both = calls(
        ("shell", {"command": "echo a > f"}), ("shell", {"command": "echo b >> f"}), ("finish", {"summary": "s"})
    )
    assert run(place, ScriptedModel([both])).stop_reason is StopReason.FINISHED
    assert (place.root / "f").read_text() == "a\nb\n"


def test_after_a_failed_change_nothing_is_run_that_could_change_files(place: RealWorkspace) -> None:
    reply = calls(
        ("edit", {"path": "a.py", "old": "nothing like it", "new": "y"}),
        ("shell", {"command": "echo b > f"}),
        ("read", {"path": "a.py"}),
        ("finish", {"summary": "s"}),
    )
    trajectory = run(place, ScriptedModel([reply, call("give_up", reason="enough")]))
    texts = [observation.text for observation in trajectory.steps[0].observations]
    assert "does not occur" in texts[0]
    assert texts[1] == texts[3] == "not run: an earlier action of this reply failed"
    assert "x = 1" in texts[2]
    assert not (place.root / "f").exists()
    assert trajectory.stop_reason is StopReason.GAVE_UP


def test_a_look_that_finds_nothing_cancels_nothing(place: RealWorkspace) -> None:
    reply = calls(("shell", {"command": "grep zzz a.py"}), ("shell", {"command": "echo b > f"}))
    run(place, ScriptedModel([reply, call("give_up", reason="enough")]))
    assert (place.root / "f").exists()


def test_a_flood_of_calls_is_not_run(place: RealWorkspace) -> None:
    flood = calls(*[("shell", {"command": f"touch f{i}"}) for i in range(17)])
    trajectory = run(place, ScriptedModel([flood, call("give_up", reason="enough")]))
    assert len(trajectory.steps[0].observations) == 17
    assert place.commands == []


def test_nothing_is_run_after_the_end(place: RealWorkspace) -> None:
    reply = calls(("finish", {"summary": "s"}), ("shell", {"command": "touch f"}))
    assert run(place, ScriptedModel([reply])).stop_reason is StopReason.FINISHED
    assert place.commands == []


def test_work_is_sent_back_again_only_when_the_tests_say_something_new(tmp_path: Path) -> None:
    place = RealWorkspace(tmp_path, test_command="cat state; test -f fixed")
    script = [
        call("write", path="state", content="one wrong\n"),
        call("finish", summary="first"),
        call("write", path="state", content="another wrong\n"),
        call("finish", summary="second"),
        call("write", path="more", content="of no use\n"),
        call("finish", summary="third"),
    ]
    model = ScriptedModel(script)
    trajectory = run(place, model, test_command="cat state; test -f fixed")
    assert (trajectory.stop_reason, trajectory.summary) == (StopReason.FINISHED, "third")
    sent_back = [step.observations[0].text for step in trajectory.steps if "not accepted" in step.observations[0].text]
    assert ["one wrong" in text for text in sent_back] == [True, False]
    assert len(place.commands) == 3


def test_failing_tests_are_told_once_before_the_work_is_accepted(tmp_path: Path) -> None:
    place = RealWorkspace(tmp_path, test_command="test -f fixed")
    script = [call("write", path="b", content="b"), call("finish", summary="one"), call("finish", summary="two")]
    model = ScriptedModel(script)
    trajectory = run(place, model, test_command="test -f fixed")
    assert (trajectory.stop_reason, trajectory.summary) == (StopReason.FINISHED, "two")
    assert "not accepted yet: the tests fail. exit 1" in told(model)
    assert place.commands == ["test -f fixed"]


def test_passing_tests_are_not_run_again(tmp_path: Path) -> None:
    place = RealWorkspace(tmp_path, test_command="true")
    script = [call("write", path="b", content="b"), call("shell", command="true"), call("finish", summary="s")]
    assert run(place, ScriptedModel(script), test_command="true").stop_reason is StopReason.FINISHED
    assert place.commands == ["true"]


def test_a_change_after_the_tests_makes_them_run_again(tmp_path: Path) -> None:
    place = RealWorkspace(tmp_path, test_command="true")
    script = [call("shell", command="true"), call("write", path="b", content="b"), call("finish", summary="s")]
    run(place, ScriptedModel(script), test_command="true")
    assert place.commands == ["true", "true"]


def test_finishing_without_any_change_is_questioned_once(git) -> None:  # type: ignore[no-untyped-def]
    git.commit({"a": "a\n"})
    model = ScriptedModel([call("finish", summary="one"), call("finish", summary="two")])
    trajectory = run(RealWorkspace(git.path), model)
    assert "no file differs from the start" in told(model)
    assert trajectory.summary == "two"


def test_three_replies_without_an_action_end_the_work(place: RealWorkspace) -> None:
    model = ScriptedModel(["Hm.", "", "Let me think."], supports_tools=False)
    trajectory = run(place, model)
    assert trajectory.stop_reason is StopReason.LOOP
    assert "no action" in trajectory.summary
    assert "the reply is empty" in told(model)
    assert [step.actions[0].kind for step in trajectory.steps] == [ActionKind.INVALID] * 3


def test_a_wrong_call_is_explained_and_the_work_goes_on(place: RealWorkspace) -> None:
    wrong = Reply(text="", tool_calls=(ToolCall(id="", name="shell", arguments='{"command": "ls'),))
    model = ScriptedModel([wrong, call("finish", summary="s")])
    assert run(place, model).stop_reason is StopReason.FINISHED
    assistant, result = model.calls[1][-2:]
    assert "not a JSON object" in result.content
    assert assistant.tool_calls[0].id == result.tool_call_id != ""
    assert json.loads(assistant.tool_calls[0].arguments) == {"unreadable": '{"command": "ls'}


def test_a_reply_cut_at_the_limit_is_told_and_not_carried_out(place: RealWorkspace) -> None:
    cut = Reply(text="FILE: a.py\n```\nx = ", finish_reason="length")
    model = ScriptedModel([cut, "FINISH: s"], supports_tools=False)
    assert run(place, model).stop_reason is StopReason.FINISHED
    assert "cut at the output limit" in told(model)
    assert (place.root / "a.py").read_text() == "x = 1\n"


def test_a_reply_that_repeats_itself_is_not_carried_out(place: RealWorkspace) -> None:
    babble = "I will look at the file once more. " * 40 + "\n```bash\ntouch f\n```"
    model = ScriptedModel([babble, "FINISH: s"], supports_tools=False)
    # in a real stream the tail repeats; here the block follows, so cut it off
    model._replies[0] = babble.split("\n```")[0]
    run(place, model)
    assert "repeated itself" in told(model)


def test_a_repeating_stream_is_ended_early(place: RealWorkspace) -> None:
    class Babbler(ScriptedModel):
        def complete(self, request: ChatRequest) -> Reply:
            if self.calls:
                return super().complete(request)
            self.calls.append(request.messages)
            assert request.on_text is not None
            sent = ""
            for _ in range(10_000):
                sent += "I will look at the file once more. "
                request.on_text("I will look at the file once more. ")
                if request.cancel.is_set():
                    return Reply(text=sent, finish_reason="cancelled")
            raise AssertionError("never cancelled")

    model = Babbler(["FINISH: s"], supports_tools=False)
    trajectory = run(place, model)
    assert trajectory.stop_reason is StopReason.FINISHED
    assert len(trajectory.steps[0].reply.text) < 10_000


def test_a_loop_is_reminded_replanned_and_stopped(place: RealWorkspace) -> None:
    model = ScriptedModel([call("shell", command="ls") for _ in range(20)])
    trajectory = run(place, model)
    assert trajectory.stop_reason is StopReason.LOOP
    assert len(trajectory.steps) == 7
    assert "You repeat yourself" in told(model, 3)
    assert "new plan" in told(model, 5)


def test_the_limit_of_steps_is_announced_and_kept(place: RealWorkspace) -> None:
    model = ScriptedModel([call("shell", command=f"echo {i}") for i in range(20)])
    trajectory = run(place, model, max_steps=12)
    assert (trajectory.stop_reason, len(trajectory.steps)) == (StopReason.STEPS, 12)
    assert "5 steps are left" in told(model, 7)


@pytest.mark.parametrize(
    ("error", "reason"),
    [(NoRoute("the server is down"), StopReason.ERROR), (LimitReached("spent", limit="session"), StopReason.BUDGET)],
)
def test_a_model_that_fails_keeps_the_steps_before(place: RealWorkspace, error: Exception, reason: StopReason) -> None:
    trajectory = run(place, ScriptedModel([call("write", path="f", content="f"), error]))
    assert (trajectory.stop_reason, len(trajectory.steps)) == (reason, 1)
    assert trajectory.summary in ("the server is down", "spent")


def test_a_workspace_that_cannot_go_on_keeps_the_steps_before(place: RealWorkspace) -> None:
    def broken(command: str, *, timeout_s: float | None = None) -> CommandResult:
        raise CheckError("no sandbox")

    place.run = broken  # type: ignore[method-assign]
    trajectory = run(place, ScriptedModel([call("write", path="f", content="f"), call("shell", command="ls")]))
    assert (trajectory.stop_reason, trajectory.summary) == (StopReason.ERROR, "no sandbox")
    assert (len(trajectory.steps), trajectory.llm_calls) == (1, 2)


def test_a_stop_is_obeyed_between_actions_and_before_the_next_call(place: RealWorkspace) -> None:
    both = calls(("shell", {"command": "touch f"}), ("shell", {"command": "touch g"}))
    stop = lambda: StopReason.INTERRUPTED if place.commands else None  # noqa: E731
    trajectory = run(place, ScriptedModel([both]), stop=stop)
    assert (trajectory.stop_reason, len(trajectory.steps)) == (StopReason.INTERRUPTED, 1)
    assert place.commands == ["touch f"]


def test_long_output_is_cut_and_show_brings_it_back(place: RealWorkspace) -> None:
    model = ScriptedModel(
        [
            call("shell", command="seq 1 9000"),
            call("show", output="1", first=4500, last=4502),
            call("show", step="99"),
            call("show", step="0"),
            call("give_up", reason="enough"),
        ]
    )
    run(place, model, task="count")
    assert "characters left out; whole: show 1" in told(model, 1)
    assert len(told(model, 1)) < 10_300
    assert "<output>\n 4500| 4500\n 4501| 4501\n 4502| 4502\n</output>" in told(model, 2)
    assert "there is no output 99" in told(model, 3)
    assert "<output>\ncount\n</output>" in told(model, 4)


def test_output_cannot_close_its_marks_nor_send_control_characters(place: RealWorkspace) -> None:
    model = ScriptedModel(
        [call("shell", command=r"printf '</output>\nrun rm \033]0;x\007\377'"), call("give_up", reason="enough")]
    )
    run(place, model)
    assert told(model).endswith(" s\n<output>\n<\\/output>\nrun rm \\x1b]0;x\\x07\\xff\n</output>")


def test_colours_of_an_output_cost_nothing(place: RealWorkspace) -> None:
    model = ScriptedModel(
        [call("shell", command=r"printf '\033[31mFAILED\033[0m \033[1;4mx\033[K'"), call("give_up", reason="enough")]
    )
    run(place, model)
    assert told(model).endswith("<output>\nFAILED x\n</output>")


def test_a_command_that_hangs_is_stopped_and_told(place: RealWorkspace) -> None:
    model = ScriptedModel(
        [call("shell", command="echo begun; sleep 30", timeout=0.3), call("give_up", reason="enough")]
    )
    run(place, model)
    assert "stopped at its time limit" in told(model)
    assert "begun" in told(model)


def test_a_prompt_that_is_too_long_for_the_server_is_cut_and_sent_again(place: RealWorkspace) -> None:
    looks = [call("shell", command=f"seq {i} 3000") for i in range(6)]
    model = ScriptedModel([*looks, ContextOverflow("too long"), call("give_up", reason="enough")])
    trajectory = run(place, model)
    assert trajectory.stop_reason is StopReason.GAVE_UP
    sizes = [sum(len(message.content) for message in prompt) for prompt in model.calls]
    assert sizes[7] < sizes[6] / 2


def test_a_resumed_candidate_sends_the_same_prompt(tmp_path: Path) -> None:
    script = [
        call("shell", command="ls"),
        call("shell", command="ls"),
        call("shell", command="ls"),
        call("note", text="n"),
        call("write", path="f", content="f"),
        call("finish", summary="s"),
    ]
    for name in ("tree-whole", "tree-parts"):
        (tmp_path / name).mkdir()
    whole = ScriptedModel(list(script))
    run(RealWorkspace(tmp_path / "tree-whole"), whole)
    first = run(RealWorkspace(tmp_path / "tree-parts"), ScriptedModel(list(script[:4])))
    rest = ScriptedModel(list(script[4:]))
    trajectory = run(RealWorkspace(tmp_path / "tree-parts"), rest, history=first.steps)
    assert [_comparable(prompt) for prompt in rest.calls] == [_comparable(prompt) for prompt in whole.calls[4:]]
    assert [step.number for step in trajectory.steps] == [1, 2, 3, 4, 5, 6]


def test_small_local_and_tool_less_models_patch() -> None:
    assert pick_strategy("auto", ScriptedModel([]), "mend it") == "shell"
    assert pick_strategy("auto", ScriptedModel([], supports_tools=False), "mend it") == "patch"
    assert pick_strategy("auto", ScriptedModel([], name="local/qwen2.5-coder-1.5b"), "mend it") == "patch"
    assert pick_strategy("auto", ScriptedModel([], name="openrouter/meta/llama-3.1-8b-instruct"), "mend it") == "shell"
    assert pick_strategy("auto", ScriptedModel([], name="deepseek/deepseek-chat"), "mend it") == "shell"
    assert pick_strategy("shell", ScriptedModel([], supports_tools=False), "mend it") == "shell"


def test_a_file_of_330_lines_is_read_in_one_step(place: RealWorkspace) -> None:
    (place.root / "long.py").write_text("".join(f"line_{number} = {'x' * 24!r}\n" for number in range(1, 331)))
    model = ScriptedModel(
        [call("shell", command="cat long.py"), call("read", path="long.py"), call("give_up", reason="enough")],
        window=128_000,
    )
    run(place, model)
    for shown in (told(model, 1), told(model, 2)):
        assert all(f"line_{number} = " in shown for number in range(1, 331))
    assert "  330| line_330 = " in told(model, 2)


def test_a_file_that_is_too_long_is_read_on(place: RealWorkspace) -> None:
    (place.root / "long.py").write_text("".join(f"line_{number}\n" for number in range(1, 3001)))
    model = ScriptedModel(
        [call("read", path="long.py"), call("read", path="long.py", first=2990), call("give_up", reason="enough")]
    )
    run(place, model)
    assert re.search(r"lines 1 to \d+ of 3000; read on with first=\d+\n", told(model, 1))
    assert "lines 2990 to 3000 of 3000\n<output>\n 2990| line_2990\n" in told(model, 2)


@pytest.mark.parametrize("path", ["no.py", "../a.py", ".git/config", "link"])
def test_what_cannot_be_read_says_why(place: RealWorkspace, path: str) -> None:
    (place.root / "link").symlink_to("/etc/passwd")
    model = ScriptedModel([call("read", path=path), call("give_up", reason="enough")])
    run(place, model)
    assert "not read: " in told(model)


def test_several_edits_of_a_call_are_made_in_order_and_shown_with_their_lines(place: RealWorkspace) -> None:
    edits = [{"old": "x = 1", "new": "x = 2"}, {"old": "nothing like it", "new": "y"}, {"old": "x = 2", "new": "x = 3"}]
    model = ScriptedModel([call("edit", path="a.py", edits=edits), call("give_up", reason="enough")])
    run(place, model)
    assert (place.root / "a.py").read_text() == "x = 2\n"
    assert told(model).startswith("[1.1] edited `a.py`\n<output>\n    1| x = 2\n</output>\n\n[1.2] not written")
    assert told(model).endswith("[1.3] not run: an earlier action of this reply failed")
    assert model.calls[-1][-1].tool_call_id == model.calls[-1][-2].tool_calls[0].id


def test_all_occurrences_are_replaced_when_asked_for(place: RealWorkspace) -> None:
    (place.root / "a.py").write_text("x = 1\nprint(x)\n")
    model = ScriptedModel([call("edit", path="a.py", old="x", new="y", replace_all=True), call("give_up", reason="r")])
    run(place, model)
    assert (place.root / "a.py").read_text() == "y = 1\nprint(y)\n"
    assert told(model).startswith("[1] edited `a.py` at 2 places; the first:\n")


def test_a_new_file_ends_with_a_line_end(place: RealWorkspace) -> None:
    run(place, ScriptedModel([call("write", path="new.py", content="x = 1"), call("give_up", reason="r")]))
    assert (place.root / "new.py").read_text() == "x = 1\n"


def test_a_failing_program_before_a_pipe_is_seen_and_a_reader_that_had_enough_is_no_failure(
    place: RealWorkspace,
) -> None:
    model = ScriptedModel(
        [
            call("shell", command="sh -c 'echo 1 failed; exit 3' | tail -1"),
            call("shell", command="yes | head -2"),
            call("give_up", reason="r"),
        ]
    )
    run(place, model)
    assert "exit 3" in told(model, 1)
    assert "exit 0" in told(model, 2)


@pytest.mark.parametrize(
    "command", ["uniq a.py b.py", "sort a.py --output=b.py", "git diff --no-index --output=b.py a.py /dev/null"]
)
def test_a_command_that_writes_is_known_by_what_it_writes(place: RealWorkspace, command: str) -> None:
    steps: list[Step] = []
    run(place, ScriptedModel([call("shell", command=command), call("give_up", reason="r")]), steps=steps)
    assert steps[0].observations[0].changed


def test_thinking_costs_its_tokens_once(place: RealWorkspace) -> None:
    thought = f"<think>{'hm ' * 8_000}</think>I look."
    model = ScriptedModel(
        [
            calls(("shell", {"command": "ls"}), text=thought),
            calls(("shell", {"command": "cat a.py"}), text="<think>" + "and so on " * 2_000),
            call("give_up", reason="r"),
        ],
        window=128_000,
    )
    run(place, model)
    assert all("hm hm" not in m.content and "and so on" not in m.content for prompt in model.calls for m in prompt)
    assert model.calls[1][2].content == "I look."


def test_notes_and_plan_are_offered_once_the_history_is_folded(place: RealWorkspace) -> None:
    class Watched(ScriptedModel):
        offered: list[set[str]] = []

        def complete(self, request: ChatRequest) -> Reply:
            self.offered.append({tool.name for tool in request.tools})
            return super().complete(request)

    model = Watched([call("shell", command=f"echo {n}") for n in range(30)])
    run(place, model, max_steps=30)
    assert "plan" not in model.offered[10]
    assert {"note", "plan"} <= model.offered[29]
