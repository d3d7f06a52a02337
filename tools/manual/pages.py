"""The manual: one document, written as the page git-mimo(1) and as the reference docs/commands.md."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gitmimo.config import OPTIONS, Option
from tools.manual.entries import Entry

EXIT_CODES = (
    ("0", "done"),
    ("1", "a negative answer: no candidate passed, a verdict is stale, there are differences"),
    ("2", "a person is needed: a conflict, an approval, a result that the evidence does not settle"),
    ("3", "a budget or limit was reached"),
    ("128", "it could not be done; stderr says why, with a hint that can be pasted"),
    ("129", "the command line was not understood"),
    ("130", "interrupted; `git mimo resume` goes on"),
)

FILES = (
    (".mimo/config.yaml", "the project's defaults, committed; its commands run only after `git mimo trust`"),
    (".mimo/MEMORY.md", "notes for later sessions, one line each"),
    (".mimo/skills/", "how a chore was done before: what to touch, run and check; some run without a model"),
    (".git/mimo/", "journals, locks, the ledger and caches; may vanish"),
    ("refs/notes/mimo", "evidence and verdict of each result, as JSON"),
    (
        "$XDG_STATE_HOME/git-mimo/",
        "worktrees of running sessions, what you approved, and what the local model has read last",
    ),
    ("$XDG_DATA_HOME/git-mimo/models/", "local models"),
)

SETTINGS_ORDER = (
    "A setting comes from the first of: an option of the command, its GIT_MIMO_* variable, `git config mimo.NAME`, "
    "`.mimo/config.yaml` as HEAD has it, the default. What belongs to the person (models, money, sandbox) the "
    "committed file may not set."
)

JSON_TEXT = (
    "With --json a command prints one object on stdout, also when the answer is negative; its `schema` names what it "
    "is and in which version. The schemas are in gitmimo/schemas/ of the package. After an error stdout is empty."
)

_OF_A_MODEL = (
    ("mimo.MODEL.price", "USD per million tokens: of the prompt, of the reply, and (optional) of cached prompt"),
    ("mimo.MODEL.window", "tokens that the model takes, prompt and reply together"),
)


@dataclass(frozen=True, slots=True)
class Heading:
    """The beginning of a section, or of a command's, which has its usage."""

    title: str
    usage: str = ""
    level: int = 2


@dataclass(frozen=True, slots=True)
class Items:
    """Names with their meanings; `columns` says what the two are."""

    rows: tuple[tuple[str, str], ...]
    columns: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Code:
    """Lines that are typed or shown as they are."""

    lines: tuple[str, ...]


Block = Heading | Items | Code | str  # a text is a paragraph; in backquotes is what is typed


def write_reference(entries: Sequence[Entry]) -> str:
    """The reference in Markdown."""
    lines = [
        "# Commands",
        "",
        "<!-- made from the command line itself by `python -m tools.manual --write`; not to be edited -->",
        "",
        "Every command answers `-h`; `git help mimo` opens the same as a manual page.",
        "",
        *(f"- [`{e.name}`](#git-mimo-{e.name}): {e.line}" for e in entries if len(e.path) == 1),
    ]
    for block in _blocks(entries):
        lines += ["", *_markdown(block)]
    return "\n".join(lines) + "\n"


def write_page(entries: Sequence[Entry]) -> str:
    """The page, for man-db and mandoc alike. It has no date and no version: it changes only when a command does."""
    top = entries[0]
    listed = tuple((entry.name, entry.line) for entry in entries if len(entry.path) == 1)
    blocks: list[Block] = [
        *_help_of(top),
        "The commands, in the order in which they are met:",
        Items(listed, ("command", "what it does")),
        *_blocks(entries),
        Heading("See also"),
        "git(1), git-worktree(1), git-notes(1), git-config(1)",
    ]
    lines = [
        '.\\" Made from the command line itself by `python -m tools.manual --write`; not to be edited.',
        '.TH GIT\\-MIMO 1 "" "git\\-mimo" "git\\-mimo manual"',
        *(".SH NAME", "git\\-mimo \\- a coding agent that lives in git", ".SH SYNOPSIS", ".nf"),
        *("git mimo [\\-v] COMMAND [OPTIONS] [ARGUMENTS]", "git mimo COMMAND \\-h", ".fi", ".SH DESCRIPTION"),
        *(line for block in blocks for line in _roff(block)),
    ]
    # a heading begins a paragraph by itself
    pairs = zip(["", *lines], lines, strict=False)
    return "\n".join(line for before, line in pairs if not (line == ".PP" and before[:2] == ".S")) + "\n"


def _blocks(entries: Sequence[Entry]) -> Iterator[Block]:
    """What both have: the commands, settings, output, exit codes, files."""
    top, *commands = entries
    for entry in commands:
        yield Heading(f"git mimo {entry.name}", entry.usage, 2 if len(entry.path) == 1 else 3)
        yield from _help_of(entry)
    yield Heading("Settings")
    yield SETTINGS_ORDER
    yield Items(
        (*(_setting(option) for _, option in sorted(OPTIONS.items())), *_OF_A_MODEL), ("setting", "what it says")
    )
    yield Heading("Output for programs")
    yield JSON_TEXT
    yield Heading("Exit codes")
    yield Items(EXIT_CODES, ("code", "meaning"))
    yield Heading("Files")
    yield Items(FILES, ("place", "what is there"))
    yield Heading("Options of git mimo itself")
    yield Items(top.options, ("option", "what it does"))


def _help_of(entry: Entry) -> Iterator[Block]:
    for paragraph in entry.paragraphs:
        yield Code(tuple(paragraph.splitlines()[1:])) if paragraph.startswith("\b") else " ".join(paragraph.split())
    if entry.options and entry.path:
        yield Items(entry.options, ("option", "what it does"))
    if entry.examples:
        yield Code(entry.examples)


def _setting(option: Option) -> tuple[str, str]:
    choices = f"; one of {', '.join(option.choices)}" if option.choices else ""
    default = option.default
    if isinstance(default, bool | float):
        default = str(default).lower() if isinstance(default, bool) else f"{default:g}"
    shown = f" (default: {default})" if default not in (None, "", ()) else ""
    return f"mimo.{option.name}", f"{option.meaning}{choices}{shown}; `{option.variable}`"


def _markdown(block: Block) -> Iterator[str]:
    match block:
        case Heading():
            yield f"{'#' * block.level} {block.title}"
            yield from ("", f"    {block.usage}") if block.usage else ()
        case Code():
            yield from ("```sh", *block.lines, "```")
        case Items():
            yield f"| {' | '.join(block.columns)} |"
            yield "|---|---|"
            for row in block.rows:
                name, meaning = (cell.replace("|", "\\|") for cell in row)
                yield f"| `{name}` | {meaning} |"
        case _:
            yield block.replace("<", "\\<")


def _roff(block: Block) -> Iterator[str]:
    match block:
        case Heading():
            yield f'.SS "{_escape(block.usage)}"' if block.usage else f".SH {_escape(block.title.upper())}"
        case Code():
            yield from (".PP", ".nf", ".RS 4", *map(_escape, block.lines), ".RE", ".fi")
        case Items():
            for name, meaning in block.rows:
                yield from (".TP", f"\\fB{_escape(name)}\\fR", *_text(meaning))
        case _:
            yield from (".PP", *_text(block))


def _text(text: str) -> Iterator[str]:
    """Running text, one sentence on a line; text in backquotes is bold."""
    parts = _escape(text).split("`")
    if len(parts) % 2:
        text = "".join(f"\\fB{part}\\fR" if index % 2 else part for index, part in enumerate(parts))
    yield from text.replace(". ", ".\n").splitlines()


def _escape(text: str) -> str:
    """Text as roff shows it: no dot or quote at the start of a line makes a request, no hyphen becomes a dash."""
    safe = text.replace("\\", "\\e").replace("-", "\\-").replace('"', "\\(dq").replace("…", "...")
    safe = safe.replace("'", "\\(aq")
    return f"\\&{safe}" if safe.startswith(".") else safe
