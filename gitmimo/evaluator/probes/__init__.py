"""Files that are copied out and run inside the test process; they import nothing of git-mimo."""

from pathlib import Path

_HERE = Path(__file__).parent


def pytest_probe_path() -> Path:
    """The plugin that reports a pytest session."""
    return _HERE / "pytest_probe.py"


def unittest_probe_path() -> Path:
    """The script that runs unittest and reports."""
    return _HERE / "unittest_probe.py"
