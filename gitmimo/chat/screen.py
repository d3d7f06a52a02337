"""What the conversation needs of its surroundings: a place to speak, somebody to ask, and the other commands."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from gitmimo.config import Config


class Screen(Protocol):
    """A terminal, or two streams. Everything from outside is made visible by it."""

    @property
    def is_terminal(self) -> bool:
        """Whether a person can be asked."""

    def say(self, text: str) -> None:
        """Write a line of talk."""

    def hint(self, text: str) -> None:
        """Write a line that can be typed."""

    def out(self, text: str) -> None:
        """Write a line that was asked for."""

    def piece(self, text: str) -> None:
        """Write a piece of an answer as it comes; an empty one ends the answer."""

    def status(self, text: str) -> None:
        """Show what is going on until something else is written; an empty text clears it."""

    def ask(self, question: str) -> str | None:
        """Ask a person; None when nobody is there, or they press Ctrl-C or Ctrl-D."""

    def run(self, words: Sequence[str]) -> int:
        """Run a git-mimo command here and return its exit code."""

    def config(self, flags: Mapping[str, Any]) -> Config:
        """The configuration in force, with these flags above all."""

    def interruptible(self) -> AbstractContextManager[Callable[[], bool]]:
        """A block that the person can stop: gives a function that says whether they did."""
