"""Every kind of environment that works on this machine."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gitmimo.environment.command import Environment, Job, Limits
from gitmimo.environment.sandbox import open_environment
from gitmimo.errors import SandboxUnavailable
from gitmimo.records import CommandResult

Run = Callable[..., CommandResult]


@pytest.fixture
def work_tree(tmp_path: Path) -> Path:
    """The directory that commands may write to."""
    path = tmp_path / "work tree é"
    path.mkdir()
    return path


@pytest.fixture(params=["bwrap", "landlock", "none"])
def environment(request: pytest.FixtureRequest) -> Environment:
    """One after the other."""
    try:
        return open_environment(request.param)
    except SandboxUnavailable as missing:
        pytest.skip(missing.message)


@pytest.fixture
def sandbox(environment: Environment) -> Environment:
    """Those that protect."""
    if environment.name == "none":
        pytest.skip("protects nothing")
    return environment


@pytest.fixture
def run(environment: Environment, work_tree: Path) -> Run:
    """Runs a command in the environment at hand."""

    def do(command: str | list[str], *, limits: Limits | None = None, **options: object) -> CommandResult:
        job = Job(command=command, work_tree=work_tree, limits=limits or Limits(timeout_s=30))
        return environment.run(replace(job, **options))  # type: ignore[arg-type]

    return do
