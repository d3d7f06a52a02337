"""Models that are opened when somebody asks for one: a session that a skill solves needs none at all."""

import threading
from collections.abc import Callable
from typing import Protocol

from gitmimo.llm.model import Model
from gitmimo.workflow.models import ModelPool


class Models(Protocol):
    """What a session asks of its models; see `ModelPool`."""

    @property
    def takes_turns(self) -> bool: ...

    @property
    def has_critic(self) -> bool: ...

    def metered(self, number: int, phase: str) -> Model: ...

    def opened(self) -> ModelPool: ...

    def close(self) -> None: ...


class LateModels:
    """Opens its pool at the first question, from whichever thread; what opening raises, the question raises."""

    def __init__(self, open_pool: Callable[[], ModelPool]) -> None:
        self._open_pool = open_pool
        self._pool: ModelPool | None = None
        self._lock = threading.Lock()

    @property
    def takes_turns(self) -> bool:
        return self.opened().takes_turns

    @property
    def has_critic(self) -> bool:
        return self.opened().has_critic

    def metered(self, number: int, phase: str) -> Model:
        return self.opened().metered(number, phase)

    def close(self) -> None:
        """Close what was opened."""
        if self._pool is not None:
            self._pool.close()

    def opened(self) -> ModelPool:
        """The pool, opened now if it was not."""
        with self._lock:
            if self._pool is None:
                self._pool = self._open_pool()
            return self._pool
