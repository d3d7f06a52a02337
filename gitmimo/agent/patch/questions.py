"""The questions of the patch strategy: which a candidate asks, the prompt of each, and the code in an answer.

A fixed table (`prompts/questions.json`): a candidate's number determines its questions. Different questions find more
than the same one asked again: small models repeat faulty code that is in the prompt, so some questions hide it, and one
shows what really happened when it ran.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gitmimo.agent.interface import Work
from gitmimo.agent.patch.localize import Site, Spectrum, read_text
from gitmimo.agent.patch.python_source import (
    Function,
    find_functions,
    head_of,
    hide_body,
    merge_code,
    parses,
    with_body,
)
from gitmimo.agent.prompts import read_json
from gitmimo.agent.shell.text_protocol import parse_text
from gitmimo.files import is_test_path
from gitmimo.llm.model import ChatRequest
from gitmimo.records import ActionKind, Message, Reply

_LONG_FILE = 300  # lines; beyond, only the functions in question are shown
_SPARE = 80
CHARACTERS_A_TOKEN = 3
_FORM = "Give only this function, in one ```python block."
_FILE_FORM = "Give the whole file in one block."


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One question about the site at a place in the ranking, at a temperature.

    `hides_body` takes the faulty body out of the prompt, `shows_walk` puts the executed lines in. Asking again is
    cheap: the server still knows the prompt (on two cores 2-3 s an answer against 10 for the first).
    """

    ask: str  # `{name}` is the function's name, or the file's where no function is known
    hides_body: bool = False
    shows_walk: bool = False
    is_whole_file: bool = False
    wants_code: bool = True
    site: int = 0
    temperature: float = 0.8


def plan_of(number: int) -> tuple[Round, ...]:
    """The questions of a candidate, one an answer; from the sixth candidate on they repeat, with other seeds."""
    plans = read_json("questions")["plans"]
    planned = plans[(number - 1) % len(plans)]
    return tuple(round_of(**each) for each in planned for _ in range(each.pop("times", 1)))


def round_of(variant: str, **options: Any) -> Round:
    """The question of this name in `prompts/questions.json`."""
    return Round(**read_json("questions")["variants"][variant], **options)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """The facts about a task before the first question, the same in all rounds."""

    prefix: str
    task: str
    tests: str  # source of failing tests
    failure: str  # what they say
    spectrum: Spectrum | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A prompt, and how the answer begins and ends."""

    text: str
    opening: str = ""  # what the answer must begin with
    stop: tuple[str, ...] = ()
    max_tokens: int = 700


def ask(work: Work, question: Question, *, temperature: float, seed: int | None, begins: bool) -> Reply:
    """One answer. Where `begins`, the model goes on with the question's opening, which the reply then begins with."""
    opening = question.opening if begins else ""
    messages = [Message(role="user", content=question.text)]
    messages += [Message(role="assistant", content=opening)] if opening else []
    reply = work.model.complete(
        ChatRequest(
            messages=tuple(messages),
            temperature=temperature,
            max_tokens=min(question.max_tokens, work.candidate.max_output_tokens or work.model.info.max_output),
            seed=seed,
            stop=question.stop if begins else (),
            cancel=work.cancel,
        )
    )
    return replace(reply, text=opening + reply.text.removeprefix(opening))


def build_question(
    case: Case,
    site: Site,
    planned: Round,
    *,
    failed: Sequence[str] = (),
    sites: Sequence[Site] = (),
) -> Question:
    """The question of one round. `failed` holds answers that were tried and failed, each in few lines."""
    function = None if planned.is_whole_file else site.function
    name = function.name if function else site.path
    text = hide_body(site.text, function) if function and planned.hides_body else site.text
    # what all questions share comes first: a server that kept it reads only the rest, which is most of the time
    parts = [case.prefix, case.task]
    if case.tests:
        parts.append(f"Tests that fail now:\n```python\n{case.tests}\n```")
    if case.failure:
        parts.append(f"What they say:\n```\n{case.failure}\n```")
    language = "python" if site.path.endswith(".py") else site.path.rpartition(".")[2]
    parts.append(f"File {site.path}:\n```{language}\n{_shown(text, site, sites)}```")
    if function and planned.shows_walk and case.spectrum is not None:
        parts.append(_walk(case.spectrum, site.path, site.text, function))
    parts += [f"This was tried and is wrong too:\n{text}" for text in failed]
    form = (_FORM if function else _FILE_FORM) if planned.wants_code else ""
    parts.append(f"{planned.ask.format(name=name)} {form}".rstrip())
    asked = "\n\n".join(part for part in parts if part)
    if function is None:
        return Question(text=asked, max_tokens=len(site.text) // CHARACTERS_A_TOKEN + _SPARE)
    opening = f"```python\n{head_of(site.text, function)}"
    size = sum(len(line) + 1 for line in site.text.split("\n")[function.head_end : function.last])
    indent = " " * function.indent
    return Question(
        text=asked,
        opening=opening,
        stop=("```", f"\n{indent}def ", f"\n{indent}class ", f"\n{indent}@", "\nif __name__"),
        max_tokens=size // CHARACTERS_A_TOKEN + _SPARE,
    )


def _shown(text: str, site: Site, sites: Sequence[Site]) -> str:
    """The file; of a long one only its top and the functions in question, with marks where lines are left out."""
    lines = text.removesuffix("\n").split("\n")
    kept = set(range(1, len(lines) + 1))
    if len(lines) > _LONG_FILE and site.function is not None:
        known = (site, *(other for other in sites[:3] if other.path == site.path))
        wanted = {each.function.name for each in known if each.function is not None}
        kept = {
            n for n, line in enumerate(lines, start=1) if n <= 20 or line.startswith(("class ", "import ", "from "))
        }
        for function in find_functions(site.path, text):
            if function.name in wanted:
                kept |= set(range(function.first, function.last + 1))
    shown: list[str] = []
    for number in sorted(kept):
        shown += ["# ..."] if number > 1 and number - 1 not in kept else []
        shown.append(lines[number - 1])
    return "\n".join(shown) + "\n"


def _walk(spectrum: Spectrum, path: str, text: str, function: Function) -> str:
    """The lines that the failing test ran through in a function, with the values they gave; empty for none."""
    lines = text.split("\n")
    steps = spectrum.walk(path, function.first, function.last)
    walked = [f"{lines[number - 1].strip()}" + (f"  # {values}" if values else "") for number, values in steps]
    listed = "\n".join(walked)
    told = f"When the test runs, `{function.name}` does this, line by line:\n```python\n{listed}\n```"
    return told if walked else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedFiles:
    """File texts to try, or why there are none."""

    files: tuple[tuple[str, str], ...] = ()
    problem: str = ""


def read_reply(reply: Reply, site: Site, *, root: Path, opening: str) -> ProposedFiles:
    """Read a reply: the body of a function whose `opening` was given, else whole files or functions in blocks.

    Tests are never written: they say what is right.
    """
    if opening and site.function is not None:
        text = with_body(site.text, site.function, reply.text.rpartition(opening)[2])
        if text is None or not parses(site.path, text):
            return ProposedFiles(problem="the code is not complete or not valid")
        return ProposedFiles(files=((site.path, text),))
    actions = parse_text(reply.text, single_file=site.path, cut=reply.finish_reason == "length")
    files: dict[str, str] = {}
    problem = next((action.text for action in actions if action.kind is ActionKind.INVALID), "no code block")
    for action in actions:
        if action.kind is not ActionKind.WRITE:
            continue
        if is_test_path(action.path):
            problem = "tests stay as they are"
            continue
        old = read_text(root, action.path)
        meant = site.function.name if site.function is not None and action.path == site.path else ""
        merged = action.text if old is None else merge_code(action.path, old, action.text, meant=meant)
        if merged is None or not parses(action.path, merged):
            return ProposedFiles(problem=f"the code for `{action.path}` is not valid")
        files[action.path] = _with_line_ends_of(old, merged)
    return ProposedFiles(files=tuple(files.items()), problem="" if files else problem)


def _with_line_ends_of(old: str | None, text: str) -> str:
    if old is None or "\r\n" not in old:
        return text
    return text.replace("\r\n", "\n").replace("\n", "\r\n")
