"""What every source of a model file needs: where to put it, whom to tell, when to stop."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gitmimo.cancel import Cancelled


class SourceFailed(Exception):
    """This source did not give the file; another may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a pull is. `phase` is download or verify."""

    model: str
    phase: str
    done: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """One pull from one source."""

    model: str
    size: int
    folder: Path
    on_progress: Callable[[Progress], None] | None = None
    cancelled: Callable[[], bool] | None = None

    def report(self, phase: str, done: int) -> None:
        """Tell how far it is."""
        if self.on_progress is not None:
            self.on_progress(Progress(model=self.model, phase=phase, done=done, total=self.size))

    def check(self) -> None:
        """Raise Cancelled when the caller gave up."""
        if self.cancelled is not None and self.cancelled():
            raise Cancelled
