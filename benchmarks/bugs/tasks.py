"""The bug repositories: loading them, setting them up as real git repositories, and judging what became of them.

A task is a directory of `tasks/`, modules with mistakes that often take several lines to mend, or of `functions/`, one
short function at fault in one place. In it are `repo/` (what the tool sees, with visible tests in `repo/tests`),
`hidden/` (stricter tests that no tool sees), `task.md` (what a user would write) and `fix.patch` (the reference fix;
only the self-check reads it).
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SETS = {"modules": Path(__file__).parent / "tasks", "functions": Path(__file__).parent / "functions"}
TEST_COMMAND = "python -m pytest -q -p no:cacheprovider"
TEST_LIMIT_S = 20.0
_IDENTITY = ("-c", "user.name=Bench", "-c", "user.email=bench@example.org", "-c", "commit.gpgsign=false")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bug:
    """One task of the benchmark."""

    name: str
    directory: Path
    text: str

    @property
    def fix(self) -> Path:
        return self.directory / "fix.patch"

    @property
    def source_paths(self) -> tuple[str, ...]:
        """Files of the package that hold code, not just a docstring."""
        repo = self.directory / "repo"
        found = sorted(path for path in repo.rglob("*.py") if "tests" not in path.relative_to(repo).parts)
        return tuple(str(path.relative_to(repo)) for path in found if path.name != "__init__.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class TestRun:
    """What a run of pytest said."""

    __test__ = False

    passed: bool
    output: str


def load_bugs(names: Sequence[str] = (), kind: str = "all") -> list[Bug]:
    """Tasks of a set (`modules`, `functions`) or `all`, in order of name; or those named, wherever they are.

    An unknown name raises ValueError.
    """
    places = [place for name, place in SETS.items() if names or kind in (name, "all")]
    found = [
        Bug(name=path.name, directory=path, text=" ".join((path / "task.md").read_text().split()))
        for path in sorted((path for place in places for path in place.iterdir()), key=lambda path: path.name)
        if (path / "task.md").is_file()
    ]
    unknown = set(names) - {bug.name for bug in found}
    if unknown:
        raise ValueError(f"no such task: {', '.join(sorted(unknown))}")
    return [bug for bug in found if not names or bug.name in names]


def set_up(bug: Bug, directory: Path) -> Path:
    """Make a git repository with the task's files as its only commit."""
    shutil.copytree(bug.directory / "repo", directory)
    (directory / ".gitignore").write_text("__pycache__/\n*.pyc\n.pytest_cache/\n")
    git = ["git", "-C", str(directory), *_IDENTITY]
    for args in (["init", "--quiet", "--initial-branch=main"], ["add", "--all"], ["commit", "--quiet", "-m", "base"]):
        subprocess.run([*git, *args], check=True, capture_output=True)
    return directory


def run_visible(directory: Path) -> TestRun:
    """Run the tests that lie in the repository, as they lie there."""
    return _run_pytest(directory, "tests")


def judge(bug: Bug, directory: Path, scratch: Path) -> tuple[bool, bool]:
    """(visible passed, hidden passed) for the code in `directory`, with the task's own tests, in a fresh copy."""
    shutil.rmtree(scratch, ignore_errors=True)
    shutil.copytree(bug.directory / "repo", scratch)
    for source in bug.source_paths:
        (scratch / source).unlink()
    for path in sorted(directory.rglob("*.py")):
        relative = path.relative_to(directory)
        if relative.parts[0] not in ("tests", ".git", ".mimo", ".venv") and path.name != "conftest.py":
            (scratch / relative).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, scratch / relative)
    visible = _run_pytest(scratch, "tests").passed
    shutil.copytree(bug.directory / "hidden", scratch / "hidden")
    return visible, _run_pytest(scratch, "hidden").passed


def apply_fix(bug: Bug, directory: Path) -> None:
    """Apply the reference fix."""
    subprocess.run(["git", "apply", str(bug.fix)], cwd=directory, check=True, capture_output=True)


def problem_of(bug: Bug, scratch: Path) -> str:
    """What is unsound about a task, checked without a model; empty when nothing is."""
    directory = set_up(bug, scratch / "work")
    before = run_visible(directory)
    if before.passed or " passed" not in before.output:
        return "the visible tests do not show one bug in a package that otherwise works"
    if judge(bug, directory, scratch / "judge") != (False, False):
        return "the bug passes"
    apply_fix(bug, directory)
    if judge(bug, directory, scratch / "judge") != (True, True):
        return f"the reference fix fails: {run_visible(directory).output}"
    return ""


def _run_pytest(directory: Path, tests: str) -> TestRun:
    """Run pytest in a process group of its own; endless loops end at the limit."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(("GIT_", "PYTEST_"))}
    env |= {"PYTHONDONTWRITEBYTECODE": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    with subprocess.Popen(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir=.", tests],
        cwd=directory,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        try:
            output = process.communicate(timeout=TEST_LIMIT_S)[0]
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output = process.communicate()[0] + b"\nthe tests did not end in time\n"
    return TestRun(passed=process.returncode == 0, output=output.decode(errors="replace"))
