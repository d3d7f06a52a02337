"""The linter, the formatter and the type checker are tests like any other."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    "arguments",
    [
        ("ruff", "check", "gitmimo", "tests", "benchmarks", "tools"),
        ("ruff", "format", "--check", "gitmimo", "tests", "tools"),
        ("mypy",),
    ],
    ids=["lint", "format", "types"],
)
def test_the_code_passes_its_own_checks(arguments: tuple[str, ...]) -> None:
    done = subprocess.run([sys.executable, "-m", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
