"""Start a session for another tool: with the user's consent, under a limit, one at a time, in its own process."""

from dataclasses import dataclass

from gitmimo.config import Config
from gitmimo.errors import NeedsPerson, UsageError
from gitmimo.git.repository import Repository
from gitmimo.llm.providers import provider_of
from gitmimo.records import SessionId, new_session_id
from gitmimo.workflow.history import read_running
from gitmimo.workflow.models import limits_of, model_names
from gitmimo.workflow.start import MAX_TASK_BYTES, detach
from gitmimo.workflow.trust import require_trust

_MOST_CANDIDATES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A checked request. `question` asks for the user's consent."""

    task: str
    candidates: int
    question: str


def check_start(repository: Repository, config: Config, task: str, candidates: int | None) -> Wanted:
    """Return what would be started, or raise why it can't be; nothing is created or spent."""
    if not task.strip() or len(task.encode()) > MAX_TASK_BYTES:
        raise UsageError(f"a task has 1 to {MAX_TASK_BYTES // 1024} KiB of text")
    if running := read_running(repository):
        raise NeedsPerson(f"session {running[0].result.session} is running; one at a time is started for other tools")
    require_trust(repository, config)
    models = model_names(config)
    limits = limits_of(config)
    is_free = all(provider_of(name) == "local" or name == "local" for name in models)
    if not limits.scopes() and not is_free:
        raise NeedsPerson("there is no limit on what it may spend", hint="git mimo config set budget 2")
    number = min(candidates or config.count("candidates"), _MOST_CANDIDATES)
    listed = ", ".join(f"{scope} {unit}: {_amount(amount, unit)}" for scope, unit, amount in limits.scopes())
    question = (
        f"Another tool wants to start a git-mimo session in {repository.work_tree}: up to {number} candidates of "
        f"{', '.join(models)}; limits: {listed or 'none, the model is local'}. The result gets its own branch. "
        f"The task:\n{task.strip()[:2_000]}"
    )
    return Wanted(task=task, candidates=number, question=question)


def start_wanted(repository: Repository, wanted: Wanted) -> SessionId:
    """Start it in a process that outlives the tool's connection; it never merges."""
    session = new_session_id()
    words = ["start", "--task", "-", "--session-id", session, f"--candidates={wanted.candidates}", "--no-merge"]
    detach(repository, session, words, task=wanted.task)
    return session


def _amount(amount: int, unit: str) -> str:
    return f"${amount / 1e9:.2f}" if unit == "usd" else f"{amount:,}"
