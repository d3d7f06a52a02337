"""A whole session where bubblewrap doesn't work: the fallback is what `auto` takes, and it holds."""

import os
import subprocess
from pathlib import Path

import pytest

from gitmimo.errors import SandboxUnavailable
from gitmimo.sandbox.probe import open_sandbox
from tests.conftest import GitBuilder
from tests.project import mimo
from tests.security.conftest import MEND, Session, runs

pytestmark = pytest.mark.usefixtures("quick_tests")


def test_a_whole_session_runs_and_is_held_without_bubblewrap(
    project: GitBuilder, session: Session, marker: Path, tmp_path: Path, sealed: Path
) -> None:
    try:
        open_sandbox("landlock")
    except SandboxUnavailable as missing:
        pytest.skip(missing.message)
    broken = tmp_path / "bin/bwrap"
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    (sealed / ".netrc").write_text("the secret\n")
    env = {"PATH": f"{broken.parent}{os.pathsep}{os.environ['PATH']}"}
    attack = f"touch {marker}; cat {sealed}/.netrc > got; echo x >> {project.path}/calc.py"
    outcome = session({"a": runs(attack, "git status --short", MEND)}, env=env)
    assert outcome.passed("a"), outcome.failed_gates("a")
    assert not marker.exists()
    commit = str(outcome["a"]["commit"])
    assert "the secret" not in project("show", f"{commit}:got")
    assert project("status", "--porcelain") == ""
    subprocess.run(["sh", "-c", f"touch {marker}; cat {sealed}/.netrc > {tmp_path}/got"], check=True)  # the control
    assert marker.exists()
    said = mimo("doctor", cwd=project.path, env=env)
    assert "landlock" in said.out
    for gap in open_sandbox("landlock").gaps:
        assert gap in " ".join(said.out.split())
