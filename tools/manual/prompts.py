"""docs/prompts.md: every prompt, word for word, with its size."""

import json
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

from gitmimo.agent.interface import BaseSuite, CandidateInput, WorkspaceFacts
from gitmimo.agent.prompts import read_prompt
from gitmimo.agent.shell.context import room_for
from gitmimo.agent.shell.opening import opening_text
from gitmimo.agent.shell.tools import offered_tools
from gitmimo.records import Task, Tool

_HEAD = """\
<!-- made from the prompts themselves by `python -m tools.manual --write`; not to be edited -->

# Prompts

Word for word, with sizes in characters and in tokens of four characters. Texts in braces are filled in."""
_FACTS = WorkspaceFacts(
    system="Linux 6.1.0 x86_64",
    interpreter="Python 3.12.4 at /home/ada/shop/.venv/bin/python",
    programs=("git", "make", "python", "node"),
    missing=("rg", "uv"),
    commit="commit 04ad2d3aa0b1",
    entries=("docs/ (12)", "src/shop/ (34)", "tests/ (20)", "README.md", "pyproject.toml"),
)
_SUITE = BaseSuite(passed=488, failed=("tests/test_total.py::test_rounding",), skipped=2, seconds=6.2)
_TASK = Task(text="{the task, word for word}", test_command="/home/ada/shop/.venv/bin/python -m pytest -q")


def write_prompts() -> str:
    """The page."""
    candidate = CandidateInput(task=_TASK, prefix="{the project's rules, notes and skills}")
    opening = opening_text(
        replace(candidate, approach="{an approach, from the second candidate on}"),
        _FACTS,
        _SUITE,
        root=Path("/home/ada/.local/state/git-mimo/shop/13vjd015l2/1"),
        room=room_for(128_000, 16_000),
    )
    tools = "\n".join(_tool(tool) for tool in offered_tools(is_folded=True))
    sections = [
        _HEAD,
        "## Work",
        _section("System text, with tools", read_prompt("tools")),
        _section("Tools; `note` and `plan` are offered once older steps are folded", tools),
        _section("Opening, as an example", opening),
        _section("System text, for models without tools", read_prompt("text")),
        _section("System text, for small models", read_prompt("small")),
        _section("Other agents' programs", read_prompt("external")),
        "## Plan",
        _section("System text; the task and a view of the project follow", read_prompt("plan")),
        "## Review",
        *(_section(name.capitalize(), _critic_prompt(name)) for name in _critic_prompts()),
    ]
    return "\n\n".join(sections) + "\n"


def _section(title: str, text: str) -> str:
    fence = "`" * max(3, 1 + max((len(run) for run in text.split() if set(run) == {"`"}), default=0))
    fence = "~~~~" if "```" in text else fence
    return f"### {title}\n\n{len(text):,} characters, about {len(text) // 4:,} tokens.\n\n{fence}text\n{text}\n{fence}"


def _tool(tool: Tool) -> str:
    parameters = json.dumps(dict(tool.parameters), separators=(",", ":"))
    return f"{tool.name}: {tool.description}\n  {parameters}"


def _critic_prompts() -> Iterator[str]:
    names = [Path(str(entry)).stem for entry in (files("gitmimo.evaluator") / "prompts").iterdir()]
    order = ["rubric", "review", "compare"]
    yield from [*(n for n in order if n in names), *sorted(n for n in names if n not in order and n != "__init__")]


def _critic_prompt(name: str) -> str:
    return (files("gitmimo.evaluator") / "prompts" / f"{name}.md").read_text(encoding="utf-8").rstrip("\n")
