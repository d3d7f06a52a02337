"""What a conversation spends: its own calls and the sessions it started, under one limit where there is one."""

from dataclasses import dataclass, field, replace

from gitmimo.config import Config
from gitmimo.errors import LimitReached
from gitmimo.git.repository import Repository
from gitmimo.llm.ledger import Ledger
from gitmimo.llm.model import Model
from gitmimo.records import SessionId
from gitmimo.workflow.models import ModelPool, limits_of, open_models


@dataclass(slots=True)
class Purse:
    """Opens the model for answers, under every limit, and adds up. Its answers stand in the ledger as one session."""

    repository: Repository
    conversation: SessionId
    limit_usd: float | None = None
    sessions: list[SessionId] = field(default_factory=list)
    _pool: ModelPool | None = None

    @property
    def spent_usd(self) -> float:
        """Everything of this conversation so far, reservations at their worst case."""
        return self._spent((self.conversation, *self.sessions))

    def room_usd(self, config: Config) -> float | None:
        """What the next session may spend: the least of its own limit and of what is left here; None without limit."""
        left = None if self.limit_usd is None else max(0.0, self.limit_usd - self.spent_usd)
        own = config.number("budget")
        return min((value for value in (left, own) if value is not None), default=None)

    def require_room(self, room: float) -> None:
        """Raise LimitReached when nothing is left of the conversation's own limit."""
        if self.limit_usd is not None and room <= 0:
            raise LimitReached(
                "the budget of this conversation is spent", limit="conversation", hint="/budget USD   # raises it"
            )

    def model(self, config: Config) -> Model:
        """The model that answers, with what is left as its limit."""
        if self._pool is None:
            self._pool = open_models(self.repository, config, self.conversation)
        limits = limits_of(config)
        if self.limit_usd is not None:
            left = max(0.0, self.limit_usd - self._spent(tuple(self.sessions)))
            own = limits.session_usd
            limits = replace(limits, session_usd=left if own is None else min(left, own))
        return replace(self._pool, limits=limits).metered(0, "answer")

    def forget_models(self) -> None:
        """Open models anew with the next call: the settings have changed."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None

    def close(self) -> None:
        """Let go of models and the ledger."""
        self.forget_models()

    def _spent(self, names: tuple[SessionId, ...]) -> float:
        if not (self.repository.state_dir / "ledger.sqlite3").exists():
            return 0.0
        ledger = Ledger(self.repository.state_dir)
        try:
            return sum(ledger.total(name).usd for name in names)
        finally:
            ledger.close()
