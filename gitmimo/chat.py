"""The line a person types: history kept per repository, completion, and the words of a slash command."""

import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition
from prompt_toolkit.history import FileHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.output import ColorDepth

from gitmimo.errors import CheckError, MimoError
from gitmimo.git.repository import Repository
from gitmimo.redact import redact

_MOST_OFFERED = 60

CommandCompleter = Callable[[Sequence[str], str], Iterable[tuple[str, str]]]
"""What the last word of a slash command may become, with meanings; gets the words before it without the slash."""


def open_prompt(
    repository: Repository,
    history: Path,
    *,
    complete_command: CommandCompleter,
    known_secrets: Mapping[str, str],
    colours: bool,
) -> Callable[[], str]:
    """What reads a line on the terminal; it raises KeyboardInterrupt on Ctrl-C, EOFError on Ctrl-D."""
    history.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    history.touch(mode=0o600)

    def names_a_command() -> bool:
        text = session.default_buffer.text
        return text.startswith("/") and " " not in text

    session: PromptSession[str] = PromptSession(
        history=_CleanHistory(history, known_secrets),
        completer=ChatCompleter(repository, complete_command),
        complete_while_typing=Condition(names_a_command),
        auto_suggest=AutoSuggestFromHistory(),
        key_bindings=_bindings(),
        reserve_space_for_menu=6,
        color_depth=None if colours else ColorDepth.DEPTH_1_BIT,
        enable_suspend=True,
    )
    return partial(session.prompt, "> ")


class ChatCompleter(Completer):
    """Slash commands at the beginning, then what the command takes; files of HEAD everywhere else."""

    def __init__(self, repository: Repository, complete_command: CommandCompleter) -> None:
        self._repository = repository
        self._complete_command = complete_command

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
        try:
            head = self._repository.resolve("HEAD")
            paths = [e.path for e in self._repository.list_paths(head) if not e.path.startswith(".mimo/")]
        except MimoError:
            return
        first = [path for path in paths if path.startswith(word)]
        other = [path for path in paths if path.rpartition("/")[2].startswith(word) and not path.startswith(word)]
        for path in [*first, *other][:_MOST_OFFERED]:
            if path.isprintable():
                yield Completion(path, start_position=-len(word))


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


def _bindings() -> KeyBindings:
    bindings = KeyBindings()

    @bindings.add("escape", "enter")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    return bindings


def slash_words(text: str) -> list[str] | None:
    """The words of a slash line, `help` for a lone slash; None for any other line, such as `/usr/bin is full`."""
    found = re.fullmatch(r"/([a-z][a-z-]*|\?)?(?:\s+(.*))?", text.strip(), re.S)
    if found is None:
        return None
    name = {None: "help", "?": "help", "q": "quit", "exit": "quit"}.get(found[1], found[1])
    return [str(name), *_split(found[2] or "")]


def is_question(text: str) -> bool:
    """Whether a line ends as questions do in most scripts; any other line is a task."""
    return text.rstrip().endswith(("?", "？", "؟"))


def _split(text: str) -> list[str]:
    """Split as a shell would; at white space where a quote, as in `don't`, does not close."""
    try:
        return shlex.split(text, comments=True)
    except ValueError:
        return text.split()
