"""The slash commands: what there is, and a line as the words of a git-mimo command."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Slash:
    """One command. `takes` is what completion offers for its arguments: sessions, files, models or nothing."""

    meaning: str
    usage: str = ""
    takes: str = ""


SLASHES: Mapping[str, Slash] = {
    "start": Slash(meaning="start a session for a task, or the plan just made", usage="[-n5 …] TASK", takes="files"),
    "plan": Slash(meaning="say how a task would be done; nothing is started", usage="TASK", takes="files"),
    "status": Slash(meaning="how sessions stand", usage="[session]", takes="sessions"),
    "diff": Slash(meaning="what a session's result changed", usage="[session] [n]", takes="sessions"),
    "review": Slash(meaning="read a session as a reviewer would", usage="[session]", takes="sessions"),
    "merge": Slash(meaning="bring a result into its branch", usage="[session] [n]", takes="sessions"),
    "undo": Slash(meaning="take back what the last command moved"),
    "dream": Slash(meaning="free the context, and learn from what was merged", usage="[--merge]", takes="sessions"),
    "memory": Slash(meaning="search the facts, or add, list, verify, forget them", usage="[words | add TEXT | …]"),
    "skill": Slash(meaning="list, show and run procedures that need no model", usage="[list | show NAME | …]"),
    "cost": Slash(meaning="what was spent here, and in this conversation"),
    "model": Slash(meaning="say or change the model of this conversation", usage="[NAME]", takes="models"),
    "budget": Slash(meaning="say or set what this conversation may spend", usage="[USD | none]"),
    "resume": Slash(meaning="go on with a session that was cut off", usage="[session]", takes="sessions"),
    "help": Slash(meaning="this list"),
    "quit": Slash(meaning="leave; Ctrl-D does the same"),
}
_TAKES_SESSIONS = ("show", "log", "stop", "attach", "reject", "pr", "bisect")
_MEMORY_VERBS = ("add", "list", "show", "search", "forget", "verify")
_OPTION = re.compile(r"""\s*(-{1,2}[A-Za-z](?:[^\s"']|"[^"]*"|'[^']*')*)(?=\s|$)""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A slash line in two parts."""

    name: str
    rest: str


def parse_slash(text: str) -> Line | None:
    """Take a slash line apart; None for a plain one. A path like `/usr/bin` is plain."""
    found = re.fullmatch(r"/([a-z][a-z-]*|\?)?(?:\s+(.*))?", text.strip(), re.S)
    if found is None:
        return None
    name = {"": "help", "?": "help", "exit": "quit", "q": "quit"}.get(found[1] or "", found[1] or "")
    return Line(name=name, rest=(found[2] or "").strip())


def takes_of(name: str) -> str:
    """What completion offers for a command's arguments."""
    if name in SLASHES:
        return SLASHES[name].takes
    return "sessions" if name in _TAKES_SESSIONS else "files"


def as_words(line: Line) -> list[str]:
    """The words that the git-mimo command of the same name gets. Free text stays one word, apostrophes and all."""
    verb, _, rest = line.rest.partition(" ")
    if line.name == "memory" and verb not in _MEMORY_VERBS and not verb.startswith("-"):
        return ["memory", "search", "--", line.rest] if line.rest else ["memory", "list"]
    if line.name == "memory" and verb in ("add", "search") and rest.strip() and " -" not in f" {rest}":
        return ["memory", verb, "--", rest.strip()]
    if line.name == "skill" and not line.rest:
        return ["skill", "list"]
    return [line.name, *split_words(line.rest)]


def split_words(text: str) -> list[str]:
    """Words as a shell would see them, without a comment; at white space where quotes don't close."""
    try:
        return shlex.split(text, comments=True)
    except ValueError:
        return text.split()


def split_options(text: str) -> tuple[list[str], str]:
    """Options before a free text, each written as one word (`-n5`, `--accept="make check"`), and the text."""
    options: list[str] = []
    at = 0
    while found := _OPTION.match(text, at):
        at = found.end()
        options += split_words(found[1])
    return options, text[at:].strip().removeprefix("-- ")


def help_lines(others: Mapping[str, str]) -> list[str]:
    """What `/help` says. `others` are the further commands, which work with a slash too."""
    width = max(len(f"/{name} {slash.usage}".rstrip()) for name, slash in SLASHES.items())
    lines = [f"{f'/{name} {slash.usage}'.rstrip().ljust(width)}  {slash.meaning}" for name, slash in SLASHES.items()]
    also = ", ".join(name for name in others if name not in SLASHES)
    return [
        "Anything else is a task (asked about before it starts) or a question (answered, nothing is changed).",
        "`remember …` keeps a fact for this conversation; /dream offers it to the memory.",
        "",
        *lines,
        "",
        f"Also with a slash: {also}.",
        "Tab completes, Ctrl-R searches what you typed before, Ctrl-C stops what runs, Alt-Enter makes a new line.",
    ]
