"""A task that is a list, done item by item: what small models can keep up with."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from gitmimo.agent.checklist import items_of
from gitmimo.agent.runner import pick_strategy
from gitmimo.records import Message, Reply, Step, StopReason
from tests.agent.workshop import RealWorkspace, run
from tests.scripted_model import ScriptedModel

LIST = "Three chores:\n\n1. In a.txt write one\n2. In b.txt write two\n   and nothing else\n3. Delete c.txt\n"
SMALL = "local/small"


@pytest.mark.parametrize(
    ("text", "items"),
    [
        (LIST, ("In a.txt write one", "In b.txt write two\nand nothing else", "Delete c.txt")),
        ("- [ ] one\n- [x] two\n- [ ] three", ("one", "three")),
        ("* one\n\n* two\n\n* three\n", ("one", "two", "three")),
        ("1. one\n2. two", ()),
        ("- one\n- two\n- three\n\nAll that must keep the tests green.", ()),
        ("Mend add in calc.py - it subtracts", ()),
        ("- [x] one\n- [x] two\n- [x] three", ()),
        ("", ()),
    ],
)
def test_items_are_those_of_a_list_and_of_nothing_else(text: str, items: tuple[str, ...]) -> None:
    assert items_of(text) == items


def test_small_models_do_lists_item_by_item() -> None:
    assert pick_strategy("auto", ScriptedModel([], name=SMALL), LIST) == "list"
    assert pick_strategy("auto", ScriptedModel([], name="openai/gpt-4o-mini"), LIST) == "shell"
    assert pick_strategy("shell", ScriptedModel([], name=SMALL), LIST) == "shell"
    report = "The pager crashes. To reproduce:\n\n1. open a list\n2. turn the page\n3. turn it back\n"
    assert pick_strategy("auto", ScriptedModel([], name=SMALL), report) == "patch"
    assert pick_strategy("list", ScriptedModel([], name="openai/gpt-4o-mini"), LIST) == "list"
    assert pick_strategy("list", ScriptedModel([], name=SMALL), "do it") == "shell"


def test_a_task_that_is_no_list_is_done_in_one_conversation(workspace: RealWorkspace) -> None:
    script = [WORK[0], END, END]
    trajectory = run(workspace, ScriptedModel(script, name=SMALL, supports_tools=False), task="do it", strategy="list")
    assert (trajectory.stop_reason, trajectory.summary) == (StopReason.FINISHED, "done")


@pytest.fixture
def workspace(tmp_path: Path) -> RealWorkspace:
    (tmp_path / "c.txt").write_text("three\n")
    for words in (["init", "-q"], ["add", "."], ["-c", "user.name=A", "-c", "user.email=a@b.c", "commit", "-qm", "x"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    return RealWorkspace(tmp_path, test_command="false")


def shell(command: str) -> Reply:
    return Reply(text=f"I do it.\n```bash\n{command}\n```")


END = Reply(text="FINISH: done")
WORK = (shell("echo one > a.txt"), END, shell("echo two > b.txt"), END, shell("rm c.txt"), END)


def test_each_item_is_asked_for_alone_in_a_conversation_of_its_own(workspace: RealWorkspace) -> None:
    model = ScriptedModel(WORK, name=SMALL, supports_tools=False)
    trajectory = run(workspace, model, task=LIST, strategy="auto")
    assert (trajectory.stop_reason, trajectory.summary) == (StopReason.FINISHED, "3 of 3 items done")
    assert [step.number for step in trajectory.steps] == [1, 2, 3, 4, 5, 6]
    assert (workspace.root / "a.txt").read_text() == "one\n"
    assert not (workspace.root / "c.txt").exists()
    prompts = [prompt_of(call) for call in model.calls]
    assert all("Helo" in prompt for prompt in prompts), "an example shows a small model how to answer"
    assert ["a.txt" in prompt for prompt in prompts] == [True, True, False, False, False, False]
    assert "part 3 of 3" in prompts[4]
    assert "false" not in workspace.commands, "the tests may fail until the last item is done"


def prompt_of(call: Sequence[Message]) -> str:
    return "\n".join(message.content for message in call)


def test_an_item_that_changed_nothing_is_sent_back_and_then_named(workspace: RealWorkspace) -> None:
    useless = shell("sed -i s/none/some/ c.txt")  # finds nothing, and exits 0
    model = ScriptedModel([*WORK[:2], useless, END, END, *WORK[4:]], name=SMALL, supports_tools=False)
    trajectory = run(workspace, model, task=LIST, strategy="auto")
    assert "no file differs" in trajectory.steps[3].observations[0].text
    assert (trajectory.stop_reason, trajectory.summary) == (StopReason.FINISHED, "2 of 3 items done; not done: 2")


def test_an_item_takes_eight_steps_at_most_and_the_others_get_their_turn(workspace: RealWorkspace) -> None:
    wander = [shell(f"ls {number}; echo {number}") for number in range(8)]
    model = ScriptedModel([*wander, *WORK[2:]], name=SMALL, supports_tools=False)
    trajectory = run(workspace, model, task=LIST, strategy="auto")
    assert trajectory.summary == "2 of 3 items done; not done: 1"
    assert len(trajectory.steps) == 12
    cut = run(
        workspace, ScriptedModel(wander, name=SMALL, supports_tools=False), task=LIST, strategy="list", max_steps=5
    )
    assert (cut.stop_reason, len(cut.steps)) == (StopReason.STEPS, 5)


@pytest.mark.parametrize("kept", range(7))
def test_a_run_that_was_cut_off_goes_on_at_its_item(workspace: RealWorkspace, kept: int) -> None:
    steps: list[Step] = []
    run(workspace, ScriptedModel(WORK, name=SMALL, supports_tools=False), task=LIST, strategy="auto", steps=steps)
    again = ScriptedModel(WORK[kept:], name=SMALL, supports_tools=False)
    subprocess.run(["git", "reset", "-q", "--hard"], cwd=workspace.root, check=True)
    subprocess.run(["git", "clean", "-qfd"], cwd=workspace.root, check=True)
    for step in steps[:kept]:
        for action in step.actions:
            if action.kind.value == "shell":
                workspace.run(action.text)
    trajectory = run(workspace, again, task=LIST, strategy="auto", history=steps[:kept])
    assert (trajectory.stop_reason, trajectory.summary) == (StopReason.FINISHED, "3 of 3 items done")
    assert len(again.calls) == 6 - kept
    assert [step.number for step in trajectory.steps] == [1, 2, 3, 4, 5, 6]
    assert (workspace.root / "b.txt").read_text() == "two\n"


def test_what_stops_the_work_stops_the_list(workspace: RealWorkspace) -> None:
    asked = 0

    def stop() -> StopReason | None:
        nonlocal asked
        asked += 1
        return StopReason.INTERRUPTED if (workspace.root / "a.txt").exists() else None

    model = ScriptedModel(WORK, name=SMALL, supports_tools=False)
    trajectory = run(workspace, model, task=LIST, strategy="auto", stop=stop)
    assert trajectory.stop_reason is StopReason.INTERRUPTED
    assert len(model.calls) == 1
