"""`git mimo chat`: a place to sit with it, on a terminal or from lines on stdin."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from gitmimo.cli import render
from gitmimo.cli.main import COMMANDS, run
from gitmimo.cli.options import load_config, open_repository

if TYPE_CHECKING:
    from gitmimo.chat.loop import Chat
    from gitmimo.chat.prompt import Prompt
    from gitmimo.config import Config
    from gitmimo.git.repository import Repository

_NOT_HERE = ("chat", "mcp", "hook", "serve", "demo")  # they would take stdin or the terminal for themselves


@click.command("chat")
@click.option("-m", "--model", multiple=True, help="Model of this conversation, as litellm names it.")
@click.option("--budget", type=click.FloatRange(min=0), help="USD this conversation may spend.", metavar="USD")
@click.option("-c", "--continue", "goes_on", is_flag=True, help="Go on with the newest conversation.")
@click.option("-y", "--yes", is_flag=True, help="Start tasks without asking.")
def chat_command(model: tuple[str, ...], budget: float | None, goes_on: bool, yes: bool) -> int:
    """Talk: tasks become sessions, questions are answered from HEAD without changing anything, `/help` lists the rest.

    Without a terminal it reads lines from stdin, one by one, and stops at the first that fails, with its exit code.
    """
    from gitmimo.chat import conversation
    from gitmimo.chat.conversation import Conversation
    from gitmimo.chat.loop import Chat
    from gitmimo.chat.prompt import Prompt
    from gitmimo.llm.provider_table import PROVIDERS
    from gitmimo.records import new_session_id
    from gitmimo.redact import known_secrets
    from gitmimo.workflow.places import repository_key, state_home

    repository = open_repository()
    repository.resolve("HEAD")
    directory = state_home() / "chat" / repository_key(repository)
    screen = Terminal(repository)
    chat = Chat(
        repository=repository,
        screen=screen,
        talk=conversation.load_newest(directory) if goes_on else Conversation(id=new_session_id()),
        directory=directory,
        others={name: meaning for name, (_, meaning) in COMMANDS.items() if name not in _NOT_HERE},
        flags={"model": model} if model else {},
        asks_first=not yes,
    )
    chat.limit(budget)
    with contextlib.closing(chat):
        if not screen.is_terminal:
            return _read_lines(chat)
        prompt = Prompt(
            repository,
            directory / "history",
            others=chat.others,
            models=[provider.default_model for provider in PROVIDERS.values() if provider.default_model],
            known_secrets=known_secrets(os.environ),
            colours=render.wants_colour(sys.stdout),
        )
        return _converse(chat, prompt)


def _converse(chat: Chat, prompt: Prompt) -> int:
    render.say("a task, a question, or /help; Ctrl-D leaves")
    with render.hints_for("/"):
        while not chat.is_over:
            try:
                text = prompt.read(chat.standing)
            except KeyboardInterrupt:
                render.say("nothing is running; Ctrl-D or /quit leaves")
                continue
            except EOFError:
                break
            if text.strip():
                chat.handle(text)
                render.say("")
    return 0


def _read_lines(chat: Chat) -> int:
    for line in iter(sys.stdin.readline, ""):
        code = chat.handle(line)
        render.flush()
        if code or chat.is_over:
            return code
    return 0


class Terminal:
    """The `Screen` of a conversation: stdout for what was asked for, stderr for talk."""

    def __init__(self, repository: Repository) -> None:
        self.is_terminal = sys.stdin.isatty() and sys.stdout.isatty() and sys.stderr.isatty()
        self._repository = repository
        self._status = False
        self._wrap = _Wrap()

    def say(self, text: str) -> None:
        """See `Screen`."""
        self.status("")
        render.say(text)

    def hint(self, text: str) -> None:
        """See `Screen`."""
        self.status("")
        render.hint(text)

    def out(self, text: str) -> None:
        """See `Screen`."""
        self.status("")
        render.out(text)

    def piece(self, text: str) -> None:
        """See `Screen`."""
        from gitmimo.text import escape_controls

        self.status("")
        if not text:
            render.out_raw(self._wrap.end())
        elif self.is_terminal:
            render.out_raw(self._wrap.add(escape_controls(text), shutil.get_terminal_size().columns))
        else:
            render.out_raw(self._wrap.add(escape_controls(text), 0))
        render.flush()

    def status(self, text: str) -> None:
        """See `Screen`."""
        from gitmimo.text import escape_controls

        if not self.is_terminal or not (text or self._status):
            return
        width = shutil.get_terminal_size().columns - 1
        if text:
            render.out_raw(self._wrap.end())  # what streamed before keeps its line
            render.flush()
        render.transient(escape_controls(text, newlines=False)[:width])
        self._status = bool(text)

    def ask(self, question: str) -> str | None:
        """See `Screen`."""
        from gitmimo.chat.prompt import ask

        self.status("")
        return ask(question) if self.is_terminal else None

    def run(self, words: Sequence[str]) -> int:
        """See `Screen`."""
        self.status("")
        return run(list(words))

    def config(self, flags: Mapping[str, Any]) -> Config:
        """See `Screen`."""
        return load_config(self._repository, flags)

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[Callable[[], bool]]:
        """See `Screen`: the first Ctrl-C asks, the second raises KeyboardInterrupt."""
        import signal

        stopped = False

        def handle(_number: int, _frame: FrameType | None) -> None:
            nonlocal stopped
            if stopped:
                raise KeyboardInterrupt
            stopped = True

        old = signal.signal(signal.SIGINT, handle)
        try:
            yield lambda: stopped
        finally:
            signal.signal(signal.SIGINT, old)


class _Wrap:
    """Breaks an answer's lines between words as it streams; code and lists keep their lines."""

    def __init__(self) -> None:
        self._column = 0
        self._word = ""
        self._code = False

    def add(self, text: str, width: int) -> str:
        """What to write for this piece; a word at its end waits for its rest."""
        written: list[str] = []
        for part in re.findall(r"\n|[^\S\n]+|\S+", text):
            if part.isspace():
                written += [self._flush(width), *self._space(part, width)]
            else:
                self._word += part
        return "".join(written)

    def end(self) -> str:
        """The last word, and a line end where one is missing."""
        rest = self._flush(0)
        newline = "\n" if self._column else ""
        self._column, self._code = 0, False
        return rest + newline

    def _flush(self, width: int) -> str:
        word, self._word = self._word, ""
        if self._column == 0 and word.startswith("```"):
            self._code = not self._code
        breaks = width and word and self._column and not self._code and self._column + len(word) >= width
        self._column = len(word) if breaks else self._column + len(word)
        return f"\n{word}" if breaks else word

    def _space(self, part: str, width: int) -> list[str]:
        if part == "\n":
            self._column = 0
            return ["\n"]
        self._column += len(part)
        return [part]
