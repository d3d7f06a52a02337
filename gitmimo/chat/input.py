"""The line a person types: history kept per repository, completion, and a status line below it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.history import FileHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.styles import Style

from gitmimo.errors import CheckError, MimoError
from gitmimo.git.repository import Repository
from gitmimo.records import Oid
from gitmimo.redact import redact
from gitmimo.text import escape_controls

_MOST_OFFERED = 60
_LONGEST_HISTORY = 500_000  # bytes; beyond them the older half goes
_STYLE = Style.from_dict(
    {
        "bottom-toolbar": "noreverse fg:ansibrightblack",
        "auto-suggestion": "fg:ansibrightblack",
        "mark": "bold",
        "branch": "fg:ansicyan",
    }
)


CommandCompleter = Callable[[Sequence[str], str], Iterable[tuple[str, str]]]
"""What the last word of a slash command may become, with meanings; gets the words before it without the slash."""


class Prompt:
    """Reads lines on a terminal. Ctrl-C raises KeyboardInterrupt where nothing was typed, Ctrl-D EOFError."""

    def __init__(
        self,
        repository: Repository,
        history: Path,
        *,
        complete_command: CommandCompleter,
        known_secrets: Mapping[str, str],
        colours: bool,
    ) -> None:
        self._status: tuple[str, ...] = ()
        self._repository = repository
        history.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _shorten(history)
        self._session: PromptSession[str] = PromptSession(
            history=_CleanHistory(history, known_secrets),
            completer=ChatCompleter(repository, complete_command),
            complete_while_typing=Condition(self._names_a_command),
            auto_suggest=AutoSuggestFromHistory(),
            bottom_toolbar=self._toolbar,
            key_bindings=_bindings(),
            reserve_space_for_menu=6,
            style=_STYLE,
            color_depth=None if colours else ColorDepth.DEPTH_1_BIT,
            enable_suspend=True,
            refresh_interval=0,
        )

    def read(self, status: tuple[str, ...]) -> str:
        """Read one line; `status` is the branch and the model."""
        self._status = status
        return self._session.prompt([("class:mark", "> ")])

    def _names_a_command(self) -> bool:
        text = self._session.default_buffer.text
        return text.startswith("/") and " " not in text

    def _toolbar(self) -> StyleAndTextTuples:
        width = self._session.output.get_size().columns - 1
        toolbar: StyleAndTextTuples = []
        for style, text in zip(("branch", ""), self._status, strict=False):
            shown = escape_controls(text, newlines=False)
            if width - len(shown) - 3 < 0:
                break
            width -= len(shown) + 3
            toolbar += [("", " · " if toolbar else ""), (f"class:{style}" if style else "", shown)]
        return toolbar


class ChatCompleter(Completer):
    """Slash commands at the beginning, then what the command takes; files of HEAD everywhere else."""

    def __init__(self, repository: Repository, complete_command: CommandCompleter) -> None:
        self._repository = repository
        self._complete_command = complete_command
        self._paths: tuple[Oid, list[str]] | None = None

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """See `Completer`."""
        text = document.text_before_cursor
        word = document.get_word_before_cursor(WORD=True).lstrip("`'\"(@")
        if text.startswith("/"):
            *words, incomplete = text[1:].split(" ")
            for value, meaning in self._complete_command([part for part in words if part], incomplete):
                if value == ":files":
                    yield from self._files(word)
                else:
                    yield Completion(value, start_position=-len(incomplete), display_meta=meaning)
        elif word:
            yield from self._files(word)

    def _files(self, word: str) -> Iterable[Completion]:
        """Paths that begin so, then files whose own name does."""
        paths = self._known_paths()
        first = [path for path in paths if path.startswith(word)]
        other = [path for path in paths if path.rpartition("/")[2].startswith(word) and not path.startswith(word)]
        for path in [*first, *other][:_MOST_OFFERED]:
            if path.isprintable():
                yield Completion(path, start_position=-len(word))

    def _known_paths(self) -> list[str]:
        try:
            head = self._repository.resolve("HEAD")
            if self._paths is None or self._paths[0] != head:
                found = self._repository.list_paths(head, enter=lambda directory: directory != ".mimo")
                self._paths = (head, [entry.path for entry in found])
            return self._paths[1]
        except MimoError:
            return []


class _CleanHistory(FileHistory):
    """Lines on disk, secrets taken out; a line that the scanner fails on is not kept."""

    def __init__(self, path: Path, known_secrets: Mapping[str, str]) -> None:
        super().__init__(str(path))
        self._known = known_secrets

    def store_string(self, string: str) -> None:
        """See `History`."""
        try:
            super().store_string(redact(string, self._known)[0])
        except (CheckError, OSError):
            return


def _shorten(path: Path) -> None:
    """Drop the older half of a long history, at the beginning of an entry."""
    if path.exists() and path.stat().st_size > _LONGEST_HISTORY:
        data = path.read_bytes()
        path.write_bytes(data[max(0, data.find(b"\n# ", len(data) // 2)) :])
    else:
        path.touch(mode=0o600)


def _bindings() -> KeyBindings:
    bindings = KeyBindings()

    @bindings.add("escape", "enter")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    @bindings.add("c-c")
    def _(event: KeyPressEvent) -> None:
        if event.current_buffer.text:
            event.current_buffer.reset()
        else:
            event.app.exit(exception=KeyboardInterrupt, style="class:aborting")

    return bindings


def ask(question: str) -> str | None:
    """Ask a person one thing on the terminal; None when they press Ctrl-C or Ctrl-D."""
    try:
        return PromptSession[str](style=_STYLE, enable_suspend=True).prompt(escape_controls(question))
    except (KeyboardInterrupt, EOFError):
        return None
