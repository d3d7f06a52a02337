"""The command that runs a project's tests, how its results come back, and what it needs that git ignores."""

import enum
import re
import shlex
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_NODE = re.compile(r"(?<![-\w/])(?:node|npm|npx|yarn|pnpm|bun|jest|vitest)(?![-\w])")


class ReportFormat(enum.StrEnum):
    """How results by test id are read; NONE leaves the exit code."""

    PYTEST = "pytest"
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
    report: ReportFormat
    is_pytest: bool = False  # the command starts pytest itself, so paths and options can be added to it
    interpreter: Path | None = None
    directory: str = ""  # of the project in the tree, relative; empty for the top
    readable: tuple[Path, ...] = ()  # outside the tree: a virtual environment, linked dependencies
    programs: Path | None = None  # directory of the project's own programs, first on PATH
    links: tuple[str, ...] = ()  # ignored directories of the checkout that a tree gets as links
    copies: tuple[str, ...] = ()  # ignored files of the checkout that imports need, as a generated `_version.py`
    generated: tuple[tuple[str, str], ...] = ()  # such files that the checkout lacks too: path and text
    reason: str = ""  # why this one, for people

    @property
    def shown(self) -> str:
        """The command as one line."""
        return self.command if isinstance(self.command, str) else shlex.join(self.command)

    @property
    def name(self) -> str:
        """The command without this machine's paths: its program is named as others call it."""
        return re.sub(r"^/\S*/", "", self.shown)

    @property
    def is_node(self) -> bool:
        """Whether it runs a JavaScript tool, which looks for packages in `node_modules`."""
        return bool(_NODE.search(self.shown))

    @property
    def python(self) -> str:
        """The interpreter of the tests: as it was found, as the command names it, or else this one."""
        if self.interpreter is not None:
            return str(self.interpreter)
        named = re.search(r"(?<!\S)(?:(\S*?python[\d.]*)(?=\s)|(\S+/)pytest\b)", self.shown)
        if named is None:
            return sys.executable
        return named[1] or f"{named[2]}python"


def bring_ignored_files(checkout: Path | None, tree: Path, tests: TestCommand, *, copies: Iterable[str] = ()) -> None:
    """Link, copy and write what the tests need; what the tree has already stays.

    `checkout` is the user's, which is only read; `copies` names further files and directories of it. A copy is the
    tree's own, so that nothing that runs there can change the checkout.
    """
    for path, text in tests.generated:
        target = tree / path
        if not target.exists() and target.parent.is_dir() and _is_inside(target, tree):
            target.write_text(text, encoding="utf-8")
    if checkout is None:
        return
    for name in (*tests.copies, *copies):
        source, target = checkout / name, tree / name
        if not source.exists() or target.exists() or not _is_inside(source, checkout) or not _is_inside(target, tree):
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, symlinks=True)
        else:
            shutil.copy2(source, target)
    for name in tests.links:
        source, target = checkout / name, tree / name
        if source.is_dir() and not target.exists() and not target.is_symlink() and _is_inside(target, tree):
            if source.name == "node_modules" and target.parent.is_dir():
                _link_modules(source, target, checkout=checkout.resolve(), tree=tree)
            elif target.parent.is_dir():
                target.symlink_to(source.resolve())


def _link_modules(source: Path, target: Path, *, checkout: Path, tree: Path) -> None:
    """A `node_modules` of links: to installed packages, and for a workspace's own packages to those of the tree."""
    target.mkdir()
    for entry in sorted(source.iterdir()):
        link, real = target / entry.name, entry.resolve()
        if entry.name.startswith("@") and entry.is_dir() and not entry.is_symlink():
            _link_modules(entry, link, checkout=checkout, tree=tree)
        elif entry.is_symlink() and real.is_relative_to(checkout) and "node_modules" not in real.parts:
            link.symlink_to(tree / real.relative_to(checkout))
        else:
            link.symlink_to(entry)


def _is_inside(path: Path, directory: Path) -> bool:
    return path.parent.resolve().is_relative_to(directory.resolve())
