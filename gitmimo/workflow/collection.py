"""Whether a project's tests can be found in a fresh tree, asked before anything is spent."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from gitmimo.config import Config
from gitmimo.errors import CheckError
from gitmimo.evaluator.testbed import fresh_tree, layout_of
from gitmimo.evaluator.testcommand import TestKind
from gitmimo.git.repository import Repository
from gitmimo.records import Oid, new_session_id
from gitmimo.workflow.evaluate import open_evaluator

_MOST_LINES = 15
_LIMIT_S = 60.0


def collect_tests(repository: Repository, config: Config, base: Oid) -> str:
    """Collect pytest's tests of a commit in a fresh tree, in the sandbox; empty where they are found, or not pytest's.

    Otherwise the last lines of what pytest says. CheckError when no tree could be made or no command be run.
    """
    evaluator = open_evaluator(repository, config, base, new_session_id())
    with _directory_removed(evaluator.testbed.scratch.parent), contextlib.closing(evaluator):
        testbed = evaluator.testbed
        if testbed.tests.kind is not TestKind.PYTEST:
            return ""
        tree = repository.tree_of(base)
        with fresh_tree(testbed, tree) as fresh:
            for command in testbed.setup:
                done = fresh.run(command)
                if done.exit_code:
                    raise CheckError(f"setup fails with exit code {done.exit_code}: `{command}`")
            roots = ":".join(str(fresh.path / root) for root in layout_of(testbed, tree).roots)
            done = fresh.run(
                f"timeout {_LIMIT_S:.0f} {testbed.tests.shown} --collect-only -q -p no:cacheprovider --color=no",
                env={"PYTHONPATH": roots},
                directory=testbed.tests.directory,
            )
    if done.exit_code == 0:
        return ""
    lines = [line for line in done.output.splitlines() if line.strip()]
    return "\n".join(lines[-_MOST_LINES:]) or f"exit code {done.exit_code}"


@contextlib.contextmanager
def _directory_removed(directory: Path) -> Iterator[None]:
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            directory.rmdir()
