"""The profile for macOS as text. Nothing here shows that a Mac obeys it."""

import os
import stat
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from gitmimo.environment.command import Job
from gitmimo.environment.profile import Profile, build_profile
from gitmimo.environment.sandbox import open_environment, probe_environments
from gitmimo.environment.seatbelt import SeatbeltEnvironment, profile_text
from gitmimo.errors import CheckError, SandboxUnavailable


@pytest.fixture
def job(tmp_path: Path) -> Job:
    for name in ("work tree", "private", "temp", "home/.pyenv"):
        (tmp_path / name).mkdir(parents=True)
    return Job(command=["true"], work_tree=tmp_path / "work tree", private_git=tmp_path / "private")


@pytest.fixture
def profile(tmp_path: Path, job: Job) -> Profile:
    environ = {"HOME": str(tmp_path / "home"), "PATH": "/usr/bin:/bin"}
    return build_profile(environ, hidden=[tmp_path / "home"], interpreter=Path("/usr/bin/python3"))


def rules(profile: Profile, job: Job, tmp_path: Path) -> list[str]:
    return profile_text(profile, job, temp=tmp_path / "temp").splitlines()


def test_everything_is_denied_first_and_every_form_is_closed(profile: Profile, job: Job, tmp_path: Path) -> None:
    lines = rules(profile, job, tmp_path)
    assert lines[:2] == ["(version 1)", "(deny default)"]
    for line in lines:
        assert line.count("(") == line.count(")")
        assert line.startswith(("(version", "(allow ", "(deny "))
    assert "(allow default)" not in lines


def test_only_the_job_s_places_can_be_written(profile: Profile, job: Job, tmp_path: Path) -> None:
    writing = [line for line in rules(profile, job, tmp_path) if "file-write*" in line and line.startswith("(allow")]
    assert len(writing) == 3
    assert [name for name in ("work tree", "temp", "private") if any(f'{name}")' in line for line in writing)] == [
        "work tree",
        "temp",
        "private",
    ]


def test_hidden_places_are_closed_before_their_tools_are_opened(profile: Profile, job: Job, tmp_path: Path) -> None:
    lines = rules(profile, job, tmp_path)
    hidden = next(n for n, line in enumerate(lines) if line.startswith("(deny file-read-data"))
    everything = lines.index("(allow file-read*)")
    opened = next(n for n, line in enumerate(lines) if ".pyenv" in line)
    assert everything < hidden < opened


def test_the_pointer_cannot_be_swapped(profile: Profile, job: Job, tmp_path: Path) -> None:
    lines = rules(profile, job, tmp_path)
    pointer = next(n for n, line in enumerate(lines) if line.endswith('.git"))') and line.startswith("(deny"))
    assert all(n < pointer for n, line in enumerate(lines) if line.startswith("(allow") and "file-write*" in line)


@pytest.mark.parametrize("network", [False, True])
def test_the_network_is_closed_unless_allowed(profile: Profile, job: Job, tmp_path: Path, network: bool) -> None:
    lines = rules(profile, replace(job, network=network), tmp_path)
    assert ("(allow network*)" in lines) is network
    assert all("localhost" in line for line in lines if "network-" in line)


def test_a_path_cannot_break_out_of_its_quotes(profile: Profile, job: Job, tmp_path: Path) -> None:
    odd = tmp_path / 'a") (allow default) (subpath "\\'
    odd.mkdir()
    text = profile_text(profile, replace(job, work_tree=odd), temp=tmp_path / "temp")
    assert '\\") (allow default) (subpath \\"\\\\")' in text
    with pytest.raises(CheckError, match="control characters"):
        profile_text(profile, replace(job, work_tree=tmp_path / "a\nb"), temp=tmp_path / "temp")


def test_the_command_line_is_what_the_program_takes(profile: Profile, job: Job, tmp_path: Path) -> None:
    """A stand-in that checks its options and starts the rest without protection."""
    program = tmp_path / "sandbox-exec"
    program.write_text('#!/bin/sh\n[ "$1" = -p ] && [ "${2%%)*}" = "(version 1" ] || exit 99\nshift 2\nexec "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    environment = SeatbeltEnvironment(profile, os.environ, program=program)
    result = environment.run(replace(job, command="echo $GIT_DIR; pwd; exit 3"))
    assert (result.exit_code, result.output) == (3, f"{tmp_path}/private\n{tmp_path}/work tree\n")


@pytest.mark.skipif(sys.platform == "darwin", reason="offered there")
def test_it_is_offered_on_a_mac_only() -> None:
    with pytest.raises(SandboxUnavailable, match="macOS"):
        open_environment("sandbox-exec")
    assert "sandbox-exec" not in [found.kind for found in probe_environments()]
