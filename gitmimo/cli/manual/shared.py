"""Sections that the man page and the command reference share."""

from gitmimo.config import OPTIONS, Option

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


def settings() -> tuple[tuple[Option, str], ...]:
    """Every setting with what its value looks like by default."""
    return tuple((option, _default(option)) for _, option in sorted(OPTIONS.items()))


def _default(option: Option) -> str:
    value = option.default
    if value is None or value in ("", ()):
        return ""
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
