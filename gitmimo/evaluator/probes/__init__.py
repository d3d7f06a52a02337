"""Files that are copied out and run inside the test process; they import nothing of git-mimo."""

import importlib.util
import os
from pathlib import Path

_HERE = Path(__file__).parent
_LENT = ("pytest", "_pytest", "pluggy", "iniconfig", "packaging", "pygments")


def pytest_probe_path() -> Path:
    """The plugin that reports a pytest session."""
    return _HERE / "pytest_probe.py"


def doctest_probe_path() -> Path:
    """The script that runs examples of documentation texts."""
    return _HERE / "doctest_probe.py"


def unittest_probe_path() -> Path:
    """The script that runs unittest and reports."""
    return _HERE / "unittest_probe.py"


def pytest_runner() -> tuple[str, ...]:
    """Arguments for a Python without pytest that make it run git-mimo's: a script and where its packages lie."""
    specs = [importlib.util.find_spec(name) for name in _LENT]
    homes = {str(Path(place).parent) for spec in specs if spec for place in spec.submodule_search_locations or ()}
    return (str(_HERE / "run_pytest.py"), os.pathsep.join(sorted(homes)))


def pytest_runner_places() -> tuple[Path, ...]:
    """What must be readable for `pytest_runner`."""
    script, homes = pytest_runner()
    return (Path(script).parent, *(Path(home) for home in homes.split(os.pathsep)))


def watch_path() -> Path:
    """What watches the objects that a run stands on."""
    return _HERE / "watch.py"


def hang_guard_path() -> Path:
    """The plugin that ends tests that hang."""
    return _HERE / "hang_guard.py"
