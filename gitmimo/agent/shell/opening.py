"""What a model reads before its first step: the project's rules, the task, facts about the workspace; an example.

Candidates that start together are given different approaches: built-in ones, or those of one planning call.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from gitmimo.agent.interface import BaseSuite, CandidateInput, WorkspaceFacts
from gitmimo.agent.prompts import read_json, read_prompt
from gitmimo.agent.shell.context import Room
from gitmimo.agent.shell.execute import LONGEST_COMMAND_S
from gitmimo.errors import LimitReached, ModelError
from gitmimo.llm.model import ChatRequest, Model
from gitmimo.records import Message, Task
from gitmimo.text import cut_middle

_MOST_ENTRIES = 60
_MOST_FAILING = 10
_NUMBER = re.compile(r"^[\s*_#>-]*(?:(?:engineer|approach|plan|way)\s*)?#?\d{1,2}\s*[.):\]-][*_]*", re.I | re.M)
_BULLET = re.compile(r"^\s*[-*•]\s+", re.M)
_LONGEST = 800  # characters of an approach
_NEXT_TASK = "Done. Now another folder and another task.\n\n"


def opening_text(
    candidate: CandidateInput, facts: WorkspaceFacts, suite: BaseSuite | None, *, root: Path, room: Room
) -> str:
    """Rules and memory, the task word for word, environment, files, tests, earlier attempts, approach.

    Parts that are the same for all candidates come first; unknown facts are left out. Rules may take a quarter of the
    room, the task half: a longer one is cut in the middle, and `show 0` brings it whole.
    """
    parts = [
        *_rules_and_task(candidate, room),
        _environment(candidate, facts, root=str(root), shown=room.most_shown),
        _files(facts.entries),
        _tests(candidate, facts, suite),
        _earlier(candidate),
        approach_text(candidate),
    ]
    return "\n\n".join(part for part in parts if part)


def short_opening(candidate: CandidateInput, room: Room) -> str:
    """The opening for a small model, after the example: rules, task, and how it is tested."""
    parts = [*_rules_and_task(candidate, room), *_commands(candidate)]
    return _NEXT_TASK + "\n\n".join(part for part in parts if part)


def example() -> tuple[Message, ...]:
    """A conversation in the text protocol: small models follow an example better than instructions."""
    roles = ("user", "assistant")
    return tuple(Message(role=roles[number % 2], content=text) for number, text in enumerate(read_json("example")))


def _rules_and_task(candidate: CandidateInput, room: Room) -> tuple[str, str]:
    most = room.tokens * 3
    rules = cut_middle(candidate.prefix.strip(), most // 4, pointer="the project's .mimo folder")
    return rules, f"# Task\n\n{cut_middle(candidate.task.text.strip(), most // 2, pointer='show 0')}"


def _commands(candidate: CandidateInput, directory: str = "") -> list[str]:
    task = candidate.task
    where = f", in {directory}/" if directory else ""
    lines = [f"The tests that decide run with: {task.test_command}{where}"] if task.test_command else []
    return [*lines, *(f"Must exit 0 in the end: {command}" for command in task.accept_commands)]


def approach_for(number: int) -> str:
    """The approach of a candidate, different from its siblings' up to eight; the first is the plain one."""
    approaches = read_prompt("approaches").split("\n\n")
    return approaches[(number - 1) % len(approaches)]


def ask_for_approaches(count: int, task: Task, model: Model, project: str) -> tuple[str, ...]:
    """Up to `count` approaches, all different; none where the model fails or its reply has no list of them.

    `project` is what the planner sees of it.
    """
    text = f"# Task for {count} engineers\n\n{cut_middle(task.text, 12_000)}\n\n# The project\n\n{project}"
    messages = (Message(role="system", content=read_prompt("plan")), Message(role="user", content=text))
    try:
        reply = model.complete(ChatRequest(messages=messages, temperature=0.8, seed=0))
    except (ModelError, LimitReached):
        return ()
    return parse_approaches(reply.text, count)


def parse_approaches(reply: str, count: int) -> tuple[str, ...]:
    """Read a numbered or bulleted list; empty when the reply has no usable list of at least two entries."""
    for mark in (_NUMBER, _BULLET):
        texts = (" ".join(text.replace("**", "").split()) for text in mark.split(reply)[1:])
        kept = dict.fromkeys(
            cut_middle(text, _LONGEST) for text in texts if len(text) >= 15 and (" " in text or not text.isascii())
        )
        if len(kept) >= 2:
            return tuple(kept)[:count]
    return ()


def approach_text(candidate: CandidateInput) -> str:
    """The approach that sets this candidate apart; empty for the plain one, which needs no word."""
    is_plain = candidate.approach in ("", approach_for(1))
    return "" if is_plain else f"# Suggested approach\n\n{candidate.approach}"


def suite_text(suite: BaseSuite) -> str:
    """The base's tests in one sentence, and which of them fail."""
    if not (suite.passed or suite.failed or suite.skipped):
        return (
            f"On the base, before any change, the tests end with exit code {suite.exit_code}, in {suite.seconds:.0f} s."
        )
    counts = [f"{suite.passed} pass"]
    counts += [f"{len(suite.failed)} fail"] if suite.failed else []
    counts += [f"{suite.skipped} skipped or expected to fail"] if suite.skipped else []
    text = f"On the base, before any change: {', '.join(counts)}, in {suite.seconds:.0f} s."
    if suite.failed:
        text += f" Failing: {_listed(suite.failed)}."
    if suite.flaky:
        text += f" Sometimes failing, and not counted: {_listed(suite.flaky)}."
    return text


def _environment(candidate: CandidateInput, facts: WorkspaceFacts, *, root: str, shown: int) -> str:
    place = f"Working directory: {root}, a git worktree" + (f" of {facts.commit}." if facts.commit else ".")
    lines = [place]
    system = ", ".join(part for part in (facts.system, facts.interpreter) if part)
    lines += [f"System: {system}."] if system else []
    lines.append("Network: available." if facts.network else "Network: none, nothing can be installed.")
    if facts.programs:
        missing = f" Not there: {', '.join(facts.missing)}." if facts.missing else ""
        lines.append(f"Programs: {', '.join(facts.programs)}.{missing}")
    lines.append(
        f"A command is stopped after {facts.command_timeout_s:.0f} s unless `timeout` says otherwise (at most "
        f"{LONGEST_COMMAND_S:.0f}). /tmp is your own and lasts as long as the work. An output of more than {shown:,} "
        "characters loses its middle."
    )
    lines.append(f"There are at most {candidate.max_steps} steps, one for each reply.")
    return "# Environment\n\n" + "\n".join(f"- {line}" for line in lines)


def _files(entries: Sequence[str]) -> str:
    if not entries:
        return ""
    rest = f" and {len(entries) - _MOST_ENTRIES} more" if len(entries) > _MOST_ENTRIES else ""
    return f"# Files (directories with the number of files in them)\n\n{'  '.join(entries[:_MOST_ENTRIES])}{rest}"


def _tests(candidate: CandidateInput, facts: WorkspaceFacts, suite: BaseSuite | None) -> str:
    lines = _commands(candidate, facts.test_directory)
    if candidate.task.test_command:
        lines.append(
            suite_text(suite) if suite else "The base's results are being measured; you are told when they are there."
        )
        lines.append("`finish` runs the tests, so they need not be run just before it.")
        lines.append(
            "The change is judged with the base's versions of existing tests, test configuration and CI files"
            + (f" (and {', '.join(facts.protected)})" if facts.protected else "")
            + ". Tests that you add are run too and are part of the result; edits of existing tests are set apart."
        )
    return "# Tests\n\n" + "\n".join(f"- {line}" for line in lines) if lines else ""


def _earlier(candidate: CandidateInput) -> str:
    texts = [each.text.strip() for each in candidate.feedback if each.after_step == 0]
    if not texts:
        return ""
    return (
        "# Earlier attempts\n\nOthers tried this task and were turned down; their work is not in your files.\n\n"
        + "\n\n".join(texts)
    )


def _listed(names: Sequence[str]) -> str:
    rest = f" and {len(names) - _MOST_FAILING} more" if len(names) > _MOST_FAILING else ""
    return ", ".join(names[:_MOST_FAILING]) + rest
