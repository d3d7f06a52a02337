"""Which executor a session gets."""

from gitmimo.config import Config
from gitmimo.git.repository import Repository
from gitmimo.records import SessionId
from gitmimo.workflow.executor import Executor, LocalExecutor
from gitmimo.workflow.on_ray.driver import RayExecutor
from gitmimo.workflow.progress import Interrupt


def open_executor(repository: Repository, config: Config, session: SessionId, interrupt: Interrupt) -> Executor:
    """The executor that the configuration names. ConfigError when it is not to be had."""
    if config.text("executor") == "ray":
        return RayExecutor(repository, config, session, interrupt)
    return LocalExecutor(repository)
