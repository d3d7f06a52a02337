"""`git mimo chat`: a prompt for tasks, questions, and any other command after a slash."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

import click
from prompt_toolkit import PromptSession
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition
from prompt_toolkit.history import FileHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.output import ColorDepth

from gitmimo.cli import render
from gitmimo.cli.help import FILES, find_completions
from gitmimo.cli.main import HIDDEN, cli, run
from gitmimo.cli.options import load_config, open_repository, settings
from gitmimo.errors import CheckError, MimoError, UsageError
from gitmimo.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitmimo.git.repository import Repository
    from gitmimo.records import Step

_NOT_HERE = {"chat", "mcp", "serve", "demo", *HIDDEN}  # they would take stdin or the terminal for themselves
_REMEMBERED = 4  # exchanges that a question is answered with
_EXCHANGE_CHARACTERS = 1_500
_MOST_OFFERED = 60

_HELP = """\
A line that ends with a question mark is answered from HEAD; nothing is changed.
Any other line is a task: after you agree it becomes a session, as `git mimo start` makes one.
/COMMAND is `git mimo COMMAND`: /review, /merge, /undo, /status, /memory list, ... /help COMMAND explains one.
/quit or Ctrl-D leaves. Tab completes, Ctrl-R searches what you typed before, Alt-Enter makes a new line."""


@click.command("chat")
@settings("model", "budget")
@click.option("-y", "--yes", is_flag=True, help="Start tasks without asking.")
def chat_command(model: tuple[str, ...], budget: float | None, yes: bool) -> int:
    """Type tasks and questions one after the other; `/COMMAND` is `git mimo COMMAND`.

    A line that ends with a question mark is answered by an agent that looks at a copy of HEAD. Any other line becomes a
    session, after you agreed. Without a terminal, lines come from stdin and the first that fails ends it with its code.
    """
    repository = open_repository()
    repository.resolve("HEAD")
    if model:
        os.environ["GIT_MIMO_MODEL"] = ",".join(model)
    if budget is not None:
        os.environ["GIT_MIMO_BUDGET"] = str(budget)
    chat = _Chat(repository, starts_unasked=yes)
    if sys.stdin.isatty() and sys.stdout.isatty():
        return chat.converse(_open_prompt(repository))
    return chat.read_lines()


class _Chat:
    """One conversation. Each line gives git's exit code."""

    def __init__(self, repository: Repository, *, starts_unasked: bool) -> None:
        self._repository = repository
        self._starts_unasked = starts_unasked
        self._exchanges: list[str] = []
        self._is_over = False

    def read_lines(self) -> int:
        """Take lines from stdin until one fails."""
        for line in iter(sys.stdin.readline, ""):
            code = self.handle(line, is_terminal=False)
            render.flush()
            if code or self._is_over:
                return code
        return 0

    def converse(self, read_line: Callable[[], str]) -> int:
        """Read lines on a terminal until the person leaves."""
        render.say("a task, a question, or /help; Ctrl-D leaves")
        while not self._is_over:
            try:
                text = read_line()
            except KeyboardInterrupt:
                render.say("nothing is running; Ctrl-D or /quit leaves")
                continue
            except EOFError:
                break
            if text.strip():
                self.handle(text, is_terminal=True)
                render.say("")
        return 0

    def handle(self, text: str, *, is_terminal: bool) -> int:
        """Do what one line asks for; expected failures are printed."""
        if not text.strip():
            return 0
        try:
            words = command_words(text)
            if words is not None:
                return self._command(words)
            return self._answer(text.strip()) if is_question(text) else self._start(text.strip(), is_terminal)
        except MimoError as exc:
            render.fatal(exc.message, hint=exc.hint, word="error")
            return exc.exit_code
        except (KeyboardInterrupt, click.Abort):
            render.say("interrupted")
            return 130

    def _command(self, words: list[str]) -> int:
        if words == ["help"]:
            render.out(_HELP)
            return 0
        if words[0] == "quit":
            self._is_over = True
            return 0
        if words[0] in _NOT_HERE:
            raise UsageError(f"`{words[0]}` does not run in a conversation", hint="/help")
        return run(words)

    def _start(self, text: str, is_terminal: bool) -> int:
        from gitmimo.workflow.models import model_names

        names = ", ".join(model_names(load_config(self._repository)))
        if not self._starts_unasked:
            if not is_terminal:
                render.say("this is a task, and nobody is here to confirm it")
                render.hint("git mimo chat --yes   # starts tasks without asking")
                return 2
            if not click.confirm(f"start a session with {names}?", default=True, err=True):
                render.say("not started; a question ends with a question mark")
                return 0
        code = run(["start", "--", text])
        self._remember(f"Task given to a session: {text}\nIt ended with exit code {code}.")
        return code

    def _answer(self, question: str) -> int:
        from gitmimo.cli.progress import signals
        from gitmimo.workflow.ask import ask
        from gitmimo.workflow.progress import StopSignal

        config = load_config(self._repository)
        stop_signal = StopSignal(timeout_s=config.seconds("timeout"))
        before = "\n\n".join(["Said before in this conversation:", *self._exchanges]) if self._exchanges else ""
        with signals(stop_signal):
            found = ask(
                self._repository, config, question, said_before=before, on_step=_show_step, stop=stop_signal.reason
            )
        if not found.text:
            render.say(f"no answer: {found.stopped or 'the model had nothing to say'}")
            return 130 if stop_signal.is_set() else 1
        render.out(found.text)
        self._remember(f"Asked: {question}\nAnswered: {found.text}")
        return 0

    def _remember(self, exchange: str) -> None:
        self._exchanges = [*self._exchanges, exchange[:_EXCHANGE_CHARACTERS]][-_REMEMBERED:]


def _show_step(step: Step) -> None:
    action = step.actions[-1] if step.actions else None
    render.say(one_line(f"looking: {action.path or action.text}" if action else "thinking", 100))


def command_words(text: str) -> list[str] | None:
    """The words of a line that names a command, `/merge` or `git mimo merge`; `help` for a lone slash.

    None for any other line, such as `/usr/bin is full`.
    """
    found = re.fullmatch(r"(?:/|git mimo )([a-z][a-z-]*|\?)?(?:\s+(.*))?", text.strip(), re.S)
    if found is None:
        return None
    name = {None: "help", "?": "help", "q": "quit", "exit": "quit"}.get(found[1], found[1])
    rest = found[2] or ""
    try:
        return [str(name), *shlex.split(rest, comments=True)]
    except ValueError:  # a quote, as in `don't`, that does not close
        return [str(name), *rest.split()]


def is_question(text: str) -> bool:
    """Whether a line ends as questions do in most scripts; any other line is a task."""
    return text.rstrip().endswith(("?", "？", "؟"))


def _open_prompt(repository: Repository) -> Callable[[], str]:
    """What reads a line on the terminal; it raises KeyboardInterrupt on Ctrl-C, EOFError on Ctrl-D."""
    from gitmimo.workflow.directories import repository_key, state_home

    history = state_home() / "chat" / repository_key(repository) / "history"
    history.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    history.touch(mode=0o600)
    bindings = KeyBindings()

    @bindings.add("escape", "enter")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    def names_a_command() -> bool:
        text = session.default_buffer.text
        return text.startswith("/") and " " not in text

    session: PromptSession[str] = PromptSession(
        history=_CleanHistory(str(history)),
        completer=_Completer(repository),
        complete_while_typing=Condition(names_a_command),
        auto_suggest=AutoSuggestFromHistory(),
        key_bindings=bindings,
        reserve_space_for_menu=6,
        color_depth=None if render.wants_colour(sys.stdout) else ColorDepth.DEPTH_1_BIT,
        enable_suspend=True,
    )
    return partial(session.prompt, "> ")


class _CleanHistory(FileHistory):
    """Lines on disk, secrets taken out; a line that the scanner fails on is not kept."""

    def store_string(self, string: str) -> None:
        """See `History`."""
        from gitmimo.redact import known_secrets, redact

        try:
            super().store_string(redact(string, known_secrets(os.environ))[0])
        except (CheckError, OSError):
            return


class _Completer(Completer):
    """Slash commands at the beginning, then what the command takes; files of HEAD everywhere else."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """See `Completer`."""
        text = document.text_before_cursor
        word = document.get_word_before_cursor(WORD=True).lstrip("`'\"(@")
        if not text.startswith("/"):
            yield from self._files(word) if word else ()
            return
        *words, incomplete = text[1:].split(" ")
        words = [part for part in words if part]
        try:
            for value, meaning in find_completions(cli, words, incomplete):
                if value == FILES:
                    yield from self._files(word)
                elif words or value not in _NOT_HERE:
                    yield Completion(value, start_position=-len(incomplete), display_meta=meaning)
        except click.UsageError:  # no such command
            return

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
