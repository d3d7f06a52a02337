"""Bringing into a tree what the project needs and git ignores: dependencies, generated files, named copies."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from gitmimo.evaluator.testcommand import TestCommand


def bring_ignored_files(checkout: Path | None, tree: Path, tests: TestCommand, *, copies: Iterable[str] = ()) -> None:
    """Link, copy and write what the tests need; what the tree has already stays.

    `checkout` is the user's, which is only read; `copies` names further files and directories of it. A copy is the
    tree's own, so that nothing that runs there can change the checkout.
    """
    for path, text in tests.generated:
        _write_new(tree, path, text.encode())
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


def _write_new(tree: Path, path: str, content: bytes) -> None:
    target = tree / path
    if not target.exists() and target.parent.is_dir() and _is_inside(target, tree):
        target.write_bytes(content)


def _link_modules(source: Path, target: Path, *, checkout: Path, tree: Path) -> None:
    """A `node_modules` of links: to installed packages, and for a workspace's own packages to those of the tree."""
    target.mkdir()
    for entry in sorted(source.iterdir()):
        if entry.name.startswith("@") and entry.is_dir() and not entry.is_symlink():
            (target / entry.name).mkdir()
            for scoped in sorted(entry.iterdir()):
                _link_module(scoped, target / entry.name / scoped.name, checkout=checkout, tree=tree)
        else:
            _link_module(entry, target / entry.name, checkout=checkout, tree=tree)


def _link_module(source: Path, target: Path, *, checkout: Path, tree: Path) -> None:
    real = source.resolve()
    is_own = source.is_symlink() and real.is_relative_to(checkout) and "node_modules" not in real.parts
    target.symlink_to(tree / real.relative_to(checkout) if is_own else source)


def _is_inside(path: Path, directory: Path) -> bool:
    return path.parent.resolve().is_relative_to(directory.resolve())
