"""Every kind of sandbox that works on this machine."""

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gitmimo.errors import SandboxUnavailable
from gitmimo.records import CommandResult
from gitmimo.sandbox.base import CommandSpec, Limits, Sandbox
from gitmimo.sandbox.probe import open_sandbox

Run = Callable[..., CommandResult]


@pytest.fixture
def work_tree(tmp_path: Path) -> Path:
    """The directory that commands may write to."""
    path = tmp_path / "work tree é"
    path.mkdir()
    return path


# made and tried once: it depends on the machine, and tests of homes and environments open their own
_open_once = functools.cache(open_sandbox)


@pytest.fixture(params=["bwrap", "landlock", "none"])
def any_sandbox(request: pytest.FixtureRequest) -> Sandbox:
    """One after the other."""
    try:
        return _open_once(request.param)
    except SandboxUnavailable as missing:
        pytest.skip(missing.message)


@pytest.fixture
def sandbox(any_sandbox: Sandbox) -> Sandbox:
    """Those that protect."""
    if any_sandbox.name == "none":
        pytest.skip("protects nothing")
    return any_sandbox


@pytest.fixture
def run(any_sandbox: Sandbox, work_tree: Path) -> Run:
    """Runs a command in the sandbox at hand."""

    def do(command: str | list[str], *, limits: Limits | None = None, **options: object) -> CommandResult:
        job = CommandSpec(command=command, work_tree=work_tree, limits=limits or Limits(timeout_s=30))
        return any_sandbox.run(replace(job, **options))  # type: ignore[arg-type]

    return do
