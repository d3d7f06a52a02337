"""The embedded local model: a server of our own on loopback, started on demand and shared."""

from dataclasses import dataclass
from pathlib import Path

from gitmimo.errors import NoModel
from gitmimo.llm.client import Call
from gitmimo.llm.transport import Timeouts
from gitmimo.records import Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalSettings:
    """Where models and the server's state lie, and how the server runs. Zero threads: as many as physical cores."""

    model_dir: Path
    state_dir: Path
    n_ctx: int = 8192
    threads: int = 0


class LocalClient:
    """Calls the server of one model file."""

    def __init__(self, name: str, settings: LocalSettings, timeouts: Timeouts) -> None:
        self.name = name
        self.window = settings.n_ctx
        path = settings.model_dir / f"{name.partition('/')[2]}.gguf"
        if not path.is_file():
            raise NoModel(f"the model file is not there: `{path}`", hint="git mimo models pull")

    def attempt(self, call: Call) -> Reply:
        """See `Client.attempt`."""
        raise NoModel("the local server lands in a moment")

    def close(self) -> None:
        """Nothing yet."""
