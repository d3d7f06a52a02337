"""The command that runs a project's tests, and the form in which its results come back."""

import enum
import shlex
from dataclasses import dataclass
from pathlib import Path


class TestKind(enum.StrEnum):
    """What runs the tests."""

    __test__ = False  # not a pytest class

    PYTEST = "pytest"
    UNITTEST = "unittest"
    TOX = "tox"
    NOX = "nox"
    NODE = "node"
    JEST = "jest"
    VITEST = "vitest"
    NPM = "npm"
    SCRIPT = "script"
    GO = "go"
    CARGO = "cargo"
    MAVEN = "maven"
    GRADLE = "gradle"
    MAKE = "make"
    COMMAND = "command"


class ReportFormat(enum.StrEnum):
    """How results by test id are read; NONE leaves the exit code."""

    PYTEST = "pytest"
    UNITTEST = "unittest"
    NODE_JUNIT = "node-junit"
    JEST_JSON = "jest-json"
    VITEST_JSON = "vitest-json"
    GO_JSON = "go-json"
    CARGO_TEXT = "cargo-text"
    SUREFIRE = "surefire"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class TestCommand:
    """How to run the tests of one project, decided once from the base commit or the user's configuration."""

    __test__ = False

    command: str | tuple[str, ...]
    kind: TestKind
    report: ReportFormat
    interpreter: Path | None = None
    directory: str = ""  # of the project in the tree, relative; empty for the top
    readable: tuple[Path, ...] = ()  # outside the tree: a virtual environment, linked dependencies
    programs: Path | None = None  # directory of the project's own programs, first on PATH
    links: tuple[str, ...] = ()  # ignored directories of the checkout that a tree gets as links
    copies: tuple[str, ...] = ()  # ignored files of the checkout that imports need, as a generated `_version.py`
    generated: tuple[tuple[str, str], ...] = ()  # such files that the checkout lacks too: path and text
    reason: str = ""  # why this one, for people
    others: tuple[str, ...] = ()  # other projects in the tree that this command doesn't test

    @property
    def shown(self) -> str:
        """The command as one line."""
        return self.command if isinstance(self.command, str) else shlex.join(self.command)
