"""Builds the prompt of one round: what stays the same first, so that rounds and candidates share a server's cache."""

from collections.abc import Sequence
from dataclasses import dataclass

from gitmimo.agent.patch.localize import Site
from gitmimo.agent.patch.python_source import find_functions, head_of, hide_body
from gitmimo.agent.patch.schedule import Variant
from gitmimo.agent.patch.spectrum import Spectrum
from gitmimo.records import Message

_LONG_FILE = 300  # lines; beyond, only the functions in question are shown
_THINKING = 160  # tokens
_SPARE = 80
_CHARACTERS_A_TOKEN = 3


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
    opening: str = ""  # what the answer must begin with, after any thinking
    stop: tuple[str, ...] = ()
    max_tokens: int = 700

    def messages(self, *, thought: str = "", continues: bool) -> tuple[Message, ...]:
        """The chat; with `continues` it ends with the beginning of the answer, which the model continues."""
        asked = Message(role="user", content=self.text)
        if not continues or not self.opening:
            return (asked,)
        return (asked, Message(role="assistant", content=f"{thought}{self.opening}"))


def thinking(question: Question) -> Question:
    """The same question, answered up to the code only."""
    return Question(text=question.text, stop=("```",), max_tokens=_THINKING)


def build_question(
    case: Case,
    site: Site,
    variant: Variant,
    *,
    failed: Sequence[str] = (),
    most_tokens: int,
    sites: Sequence[Site] = (),
) -> Question:
    """The question of one round. `failed` holds answers that were tried and failed, each in few lines."""
    function = None if variant.is_whole_file else site.function
    name = function.name if function else site.path
    shown = _shown(site, sites)
    if function and variant.hides_body:
        shown = _shown(Site(path=site.path, text=hide_body(site.text, function), function=function), sites)
    # what all questions share comes first: a server that kept it reads only the rest, which is most of the time
    parts = [case.prefix, case.task]
    if case.tests:
        parts.append(f"Tests that fail now:\n```python\n{case.tests}\n```")
    if case.failure:
        parts.append(f"What they say:\n```\n{case.failure}\n```")
    parts.append(f"File {site.path}:\n```{_language(site.path)}\n{shown}```")
    if function and variant.shows_walk and case.spectrum is not None:
        parts.append(_walk(case.spectrum, site))
    parts += [f"This was tried and is wrong too:\n{text}" for text in failed]
    form = (_FORM if function else _FILE_FORM) if variant.wants_code else ""
    parts.append(f"{variant.ask.format(name=name)} {form}".rstrip())
    text = "\n\n".join(part for part in parts if part)
    if function is None:
        return Question(text=text, max_tokens=most_tokens)
    opening = f"```python\n{head_of(site.text, function)}"
    size = sum(len(line) + 1 for line in site.text.split("\n")[function.head_end : function.last])
    indent = " " * function.indent
    return Question(
        text=text,
        opening=opening,
        stop=("```", f"\n{indent}def ", f"\n{indent}class ", f"\n{indent}@", "\nif __name__"),
        max_tokens=min(most_tokens, size // _CHARACTERS_A_TOKEN + _SPARE),
    )


_FORM = "Give only this function, in one ```python block."
_FILE_FORM = "Give the whole file in one block."


def _language(path: str) -> str:
    return "python" if path.endswith(".py") else path.rpartition(".")[2]


def _shown(site: Site, sites: Sequence[Site]) -> str:
    """The file; of a long one only its top and the functions in question, with marks where lines are left out."""
    text = site.text if site.text.endswith("\n") else f"{site.text}\n"
    lines = text.split("\n")[:-1]
    if len(lines) <= _LONG_FILE or site.function is None:
        return text
    wanted = {
        site.function.name,
        *(other.function.name for other in sites[:3] if other.function and other.path == site.path),
    }
    kept: set[int] = set(range(1, 21))
    for function in find_functions(site.path, text):
        if function.name in wanted:
            kept |= set(range(function.first, function.last + 1))
    kept |= {number for number, line in enumerate(lines, start=1) if line.startswith(("class ", "import ", "from "))}
    shown: list[str] = []
    last = 0
    for number in sorted(kept):
        if number > len(lines):
            break
        if number != last + 1:
            shown.append("# ...")
        shown.append(lines[number - 1])
        last = number
    return "\n".join(shown) + "\n"


def _walk(spectrum: Spectrum, site: Site) -> str:
    """The lines that the failing test ran through in a function, with the values they gave."""
    assert site.function is not None
    lines = site.text.split("\n")
    steps = spectrum.walk(site.path, site.function.first, site.function.last)
    if not steps:
        return ""
    walked = [f"{lines[number - 1].strip()}" + (f"  # {values}" if values else "") for number, values in steps]
    return (
        f"When the test runs, `{site.function.name}` does this, line by line:\n```python\n"
        + "\n".join(walked)
        + "\n```"
    )
