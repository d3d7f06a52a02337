"""Hundreds of steps: bounded prompts, nearly all of each already sent, nothing forgotten."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from gitmimo.agent.interface import CandidateInput, WorkspaceFacts
from gitmimo.agent.shell.context import Context, room_for, summarise
from gitmimo.agent.shell.opening import opening_text
from gitmimo.agent.shell.tools import offered_tools
from gitmimo.ids import utc_now
from gitmimo.records import Action, ActionKind, Message, Observation, Reply, Step, StopReason, Task, ToolCall, Usage
from tests.agent.workshop import RealWorkspace, call, run
from tests.scripted_model import ScriptedModel

RULE = "never touch the folder vendor/"
NOTED = "the parser wants tabs"


def serialised(prompt: Sequence[Message]) -> bytes:
    """A prompt as it goes over the wire."""
    return json.dumps(
        [
            {"role": m.role, "content": m.content, "calls": [[c.id, c.name, c.arguments] for c in m.tool_calls]}
            for m in prompt
        ],
        ensure_ascii=False,
    ).encode()


def plain_bytes(prompt: Sequence[Message]) -> int:
    """A prompt's size as tokenizers see it, without the escapes of the wire."""
    return sum(len(m.content.encode()) + sum(len(c.arguments) for c in m.tool_calls) for m in prompt)


def common(one: bytes, two: bytes) -> int:
    """How many bytes two prompts have in common from the beginning."""
    low, high = 0, min(len(one), len(two))
    while low < high:
        middle = (low + high + 1) // 2
        if one[:middle] == two[:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def script(steps: int, action: Callable[[int], Reply]) -> list[Reply]:
    return [call("note", text=NOTED), *(action(number) for number in range(2, steps)), call("finish", summary="done")]


def echo(number: int) -> Reply:
    return call("shell", command=f"echo step {number}")


def echo_text(number: int) -> str:
    return f"Next.\n```bash\necho step {number}\n```"


class Measured:
    """What a run sent, in bytes."""

    def __init__(self, model: ScriptedModel) -> None:
        prompts = [serialised(prompt) for prompt in model.calls]
        self.sizes = [len(prompt) for prompt in prompts]
        self.reused = sum(common(a, b) for a, b in zip(prompts, prompts[1:], strict=False)) / sum(self.sizes[1:])
        self.last = prompts[-1].decode()
        self.total = sum(self.sizes)


def naive_total(model: ScriptedModel, steps: Sequence[Step]) -> int:
    """What appending everything would have sent, from the same beginning."""
    size = len(serialised(model.calls[0]))
    total = 0
    for step in steps:
        total += size
        size += len(step.reply.text) + sum(len(c.arguments) + 60 for c in step.reply.tool_calls)
        size += sum(len(observation.text) + 60 for observation in step.observations)
    return total


def work(tmp_path: Path, model: ScriptedModel) -> tuple[Measured, Sequence[Step]]:
    trajectory = run(RealWorkspace(tmp_path), model, task=f"Mend the parser.\nRule: {RULE}.", max_steps=500)
    assert trajectory.stop_reason is StopReason.FINISHED
    return Measured(model), trajectory.steps


def test_500_steps_stay_bounded_reuse_what_was_sent_and_forget_nothing(tmp_path: Path) -> None:
    model = ScriptedModel(script(500, echo), window=32_768)
    measured, steps = work(tmp_path, model)
    assert measured.reused >= 0.9
    assert measured.total <= naive_total(model, steps) / 5
    assert max(measured.sizes[400:]) <= max(measured.sizes[:100]) * 1.1
    assert RULE in measured.last
    assert NOTED in measured.last
    assert "step 499" in measured.last
    assert "step 300" not in measured.last


def test_200_steps_in_text_too(tmp_path: Path) -> None:
    replies = [f"NOTE: {NOTED}", *(echo_text(number) for number in range(2, 200)), "FINISH: done"]
    model = ScriptedModel(replies, supports_tools=False)
    measured, _ = work(tmp_path, model)
    assert measured.reused >= 0.9
    assert NOTED in measured.last


def test_200_steps_with_large_outputs_fit_a_small_window(tmp_path: Path) -> None:
    window = 8_192

    def read(number: int) -> Reply:
        return call("shell", command=f"seq {number} {number + (number * 37) % 1500}")

    model = ScriptedModel(script(200, read), window=window)
    measured, _ = work(tmp_path, model)
    assert max(plain_bytes(prompt) for prompt in model.calls) / 3 <= window - window // 8
    assert measured.reused >= 0.7
    assert RULE in measured.last
    assert NOTED in measured.last


def test_the_last_steps_take_no_more_work_than_the_first() -> None:
    """Counted in calls, not in seconds: what is rendered and estimated at a step depends on the recent ones only."""
    sizes = []
    context = opened()
    for number in range(1, 401):
        context.add(step(number, f"echo {number}", "x" * 200))
        sizes.append(len(context.messages()))
    assert max(sizes[200:]) <= max(sizes[:100])


def opened(*, window: int = 32_768, changes: str | None = None) -> Context:
    room = room_for(window, 4096)
    head = (Message(role="system", content="system"), Message(role="user", content="memory, task"))
    return Context(*head, tools=offered_tools(), room=room, changes=lambda: changes)


def step(number: int, command: str, output: str, *, exit_code: int = 0, text: str = "") -> Step:
    return Step(
        number=number,
        reply=Reply(
            text=text, tool_calls=(ToolCall(id="c", name="shell", arguments=json.dumps({"command": command})),)
        ),
        actions=(Action(kind=ActionKind.SHELL, text=command, call_id="c"),),
        observations=(Observation(text=f"exit {exit_code}\n<output>\n{output}\n</output>", exit_code=exit_code),),
        started=utc_now(),
    )


def other(number: int, kind: ActionKind, text: str) -> Step:
    return Step(
        number=number,
        reply=Reply(text=f"{kind.value.upper()}: {text}"),
        actions=(Action(kind=kind, text=text),),
        observations=(Observation(text="kept"),),
        started=utc_now(),
    )


def whole(context: Context) -> str:
    return serialised(context.messages()).decode()


def test_what_was_folded_is_known_as_facts() -> None:
    context = opened(changes=" a.py | 2 +-\n")
    context.add(other(1, ActionKind.PLAN, "1. read 2. mend"))
    context.add(step(2, "python -m pytest -q", "E   boom\nFAILED tests/test_a.py::test_b - boom", exit_code=1))
    for number in range(3, 60):
        context.add(step(number, f"sed -n {number}p f", "y" * 300))
    text = context.messages()[1].content
    assert "1. read 2. mend" in text
    assert " a.py | 2 +-" in text
    assert "sed -n" in text


def test_of_old_steps_the_command_stays_with_its_number() -> None:
    context = opened()
    for number in range(1, 25):
        context.add(step(number, f"cat {number}", f"content {number} " + "z" * 400))
    text = whole(context)
    assert "16: shell cat 16 -> exit 0" in text
    assert "content 16" not in text
    assert "content 17" in text
    assert "cat 15" in text


def test_between_two_cuts_a_prompt_only_grows() -> None:
    context = opened()
    before: tuple[Message, ...] = ()
    cuts = 0
    for number in range(1, 200):
        context.add(step(number, f"echo {number}", "x"))
        now = context.messages()
        cuts += now[: len(before)] != before
        before = now
    assert cuts <= 200 // 16 + 1


def test_a_model_is_asked_once_for_notes_before_the_first_cut() -> None:
    context = opened()
    asked = []
    for number in range(1, 80):
        context.add(step(number, f"echo {number}", "x"))
        last = context.messages()[-1].content
        asked += [(number, context.is_folded)] if last.startswith("Soon the older steps") else []
    assert asked == [(22, False)]


def test_a_last_step_that_is_larger_than_the_window_is_cut() -> None:
    context = opened(window=4_096)
    context.add(step(1, "x" * 30_000, "y" * 30_000, text="z" * 30_000))
    assert len(whole(context)) < 4_096 * 3


def test_real_usage_corrects_the_estimate() -> None:
    context = opened(window=8_192)
    context.learn(context.messages(), Reply(text="", usage=Usage(prompt=4_000)))
    for number in range(1, 9):
        context.add(step(number, f"echo {number}", "x" * 900))
    dense = len(whole(context))
    plain = opened(window=8_192)
    for number in range(1, 9):
        plain.add(step(number, f"echo {number}", "x" * 900))
    assert dense < len(whole(plain))


def test_a_long_task_is_cut_in_the_middle_and_says_where_the_rest_is(tmp_path: Path) -> None:
    candidate = CandidateInput(task=Task(text="a" * 100_000), prefix="m" * 90_000, approach="way")
    text = opening_text(candidate, WorkspaceFacts(), None, root=tmp_path, room=room_for(8_192, 4096))
    assert len(text) < 8_192 * 3
    assert "show 0" in text


def test_notes_are_bounded_and_the_first_and_last_stay() -> None:
    steps = [other(number, ActionKind.NOTE, f"fact {number}") for number in range(1, 200) for _ in range(2)]
    text = summarise(steps, changed=None, most=9_000)
    noted = [line for line in text.split("\n") if line.startswith("- ")]
    assert len(noted) == 40
    assert (noted[0], noted[-1]) == ("- fact 1", "- fact 199")


def test_equal_steps_give_equal_bytes() -> None:
    one, two = opened(), opened()
    for number in range(1, 70):
        made = step(number, f"echo {number}", "x" * number)
        one.add(made)
        two.add(made)
    assert serialised(one.messages()) == serialised(two.messages())
