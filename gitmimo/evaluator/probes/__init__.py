"""Files that are copied out and run by the project's Python; they import nothing of git-mimo."""

from pathlib import Path


def probe_path(name: str) -> Path:
    """The file of a probe, for example `pytest_probe`."""
    return Path(__file__).parent / f"{name}.py"
