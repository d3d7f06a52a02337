"""Which executor a session gets."""

import importlib
from typing import Any

from gitmimo.config import Config
from gitmimo.git.repository import Repository
from gitmimo.records import SessionId
from gitmimo.workflow.executor import Executor, LocalExecutor
from gitmimo.workflow.progress import Interrupt


def open_executor(repository: Repository, config: Config, session: SessionId, interrupt: Interrupt) -> Executor:
    """The executor that the configuration names. ConfigError when it is not to be had."""
    if config.text("executor") == "ray":
        driver: Any = importlib.import_module("gitmimo.workflow.on_ray.driver")  # only here: a tenth of the start
        ray: Executor = driver.RayExecutor(repository, config, session, interrupt)
        return ray
    return LocalExecutor(repository)
