"""The test bed of one session: fresh trees outside the checkout, and commands that run in them."""

import contextlib
import os
import secrets
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from gitmimo.cancel import NEVER
from gitmimo.errors import CheckError
from gitmimo.evaluator.behaviour.calls import Call
from gitmimo.evaluator.probe import keep_import_path, make_probe
from gitmimo.evaluator.python_env import Layout, find_layout
from gitmimo.evaluator.recorder import Recording, prepare_recorder
from gitmimo.evaluator.reports import ENDED_EARLY, ReportContent, clear_stale_reports, read_report
from gitmimo.evaluator.testcommand import ReportFormat, TestCommand, bring_ignored_files
from gitmimo.evidence import TestReport
from gitmimo.files import remove_tree
from gitmimo.git.agent_repo import base_objects, make_agent_repo
from gitmimo.git.repository import Repository
from gitmimo.git.trees import checkout_tree
from gitmimo.ids import Oid
from gitmimo.records import CommandResult
from gitmimo.sandbox.base import CommandSpec, Limits, Sandbox
from gitmimo.text import cut_middle

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class TestBed:
    """What is the same for all products of a session.

    `base` is a commit. Commands come from the user or from base, never from a candidate. `scratch` is a directory of
    ours that nothing else uses. `checkout` holds linked dependencies; `copies` names ignored files of it
    that a fresh tree needs. `known_secrets` maps names to values that no product may hold. `packages` are base's, once
    known: a new package may have the name of an installed one that the test runner itself has loaded before, so only
    the origin of these is checked. Once `cancelled` says yes, commands end and CheckError is raised.
    """

    __test__ = False  # not a pytest class

    repository: Repository
    sandbox: Sandbox
    base: Oid
    scratch: Path
    tests: TestCommand
    setup: tuple[str, ...] = ()
    accept: tuple[str, ...] = ()
    protected: tuple[str, ...] = ()
    unprotected: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()  # configuration of tests or CI that the task names, and that may land
    test_files: frozenset[str] = frozenset()  # of base, whatever their names: hold tests, or are read by tests
    scripts: frozenset[str] = frozenset()  # of base: run by the commands that decide
    limits: Limits = Limits()
    hang_after_s: float = 20.0  # a test that takes longer, and ten times as long as its neighbours, hangs
    network: bool = False
    checkout: Path | None = None
    copies: tuple[str, ...] = ()
    known_secrets: Mapping[str, str] = field(default_factory=dict)
    packages: frozenset[str] | None = None
    recorded: dict[Oid, tuple[Call, ...]] = field(default_factory=dict)  # by tested tree, in the run that judged it
    recorded_base: dict[frozenset[str], Recording] = field(default_factory=dict)  # by the functions
    cancelled: Callable[[], bool] = NEVER.is_set

    @property
    def commands(self) -> tuple[str, ...]:
        """All commands that decide, in the order in which they run."""
        return (*self.setup, self.tests.shown, *self.accept)

    @property
    def command_names(self) -> tuple[str, ...]:
        """The same for evidence, which other machines read: without the path of the test command's program."""
        return (*self.setup, self.tests.name, *self.accept)

    @property
    def may_run_together(self) -> bool:
        """Whether two runs of the tests can't meet: each has its own network and temporary files, and a core."""
        return self.sandbox.name == "bwrap" and not self.network and (os.cpu_count() or 1) > 1


@dataclass(frozen=True, kw_only=True)
class FreshTree:
    """One tree written out for one check, with a throw-away git and a temporary directory of its own."""

    testbed: TestBed
    tree: Oid
    path: Path
    private_git: Path
    temp: Path
    probes: Path

    @cached_property
    def layout(self) -> Layout:
        """Where the tree keeps its packages."""
        return layout_of(self.testbed, self.tree)

    @property
    def import_path(self) -> list[str]:
        """The tree's directories that packages are imported from, before installed copies."""
        return [str(self.path / root) for root in self.layout.roots]

    def run(
        self,
        command: str | Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        readable: Sequence[Path] = (),
        writable: Sequence[Path] = (),
        directory: str = "",
        timeout_s: float | None = None,
    ) -> CommandResult:
        """Run a command here or in a directory of the tree, in the test bed's environment; CheckError if cancelled."""
        testbed = self.testbed
        objects = base_objects(testbed.repository, testbed.base)
        result = testbed.sandbox.run(
            CommandSpec(
                command=command,
                work_tree=self.path,
                cwd=self.path / directory,
                private_git=self.private_git,
                temp=self.temp,
                readable=(objects, *testbed.tests.readable, *readable),
                writable=tuple(writable),
                env={"PYTHONDONTWRITEBYTECODE": "1", "CARGO_NET_OFFLINE": "true", **(env or {})},
                network=testbed.network,
                limits=replace(testbed.limits, timeout_s=timeout_s or testbed.limits.timeout_s),
                cancelled=testbed.cancelled,
            )
        )
        if result.killed_by_limit == "cancelled":
            raise CheckError(f"stopped while it ran: `{result.command}`")
        return result

    def first_failure(self, commands: Iterable[str]) -> CommandResult | None:
        """Run commands until one fails, with the tree's packages on the import path; the result of that one."""
        for command in commands:
            result = self.run(command, env={"PYTHONPATH": os.pathsep.join(self.import_path)})
            if result.exit_code or result.timed_out or result.killed_by_limit:
                return result
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteRun:
    """One run of the test command: results by id, and what else was observed."""

    report: TestReport
    content: ReportContent  # of the same run
    problem: str = ""  # why the results can't be trusted or aren't there
    killed_by: str = ""
    is_flooded: bool = False  # more output than is kept
    calls: tuple[Call, ...] = ()  # of the functions whose calls were to be noted


@contextlib.contextmanager
def fresh_tree(testbed: TestBed, tree: Oid, *, setup: Iterable[str] = ()) -> Iterator[FreshTree]:
    """Write a tree into a new directory, run the `setup` commands up to one that fails, and remove it afterwards."""
    home = testbed.scratch / f"tree-{secrets.token_hex(5)}"
    path = home / "tree"
    try:
        index = home / "index"
        checkout_tree(testbed.repository, tree, path, attributes_from=testbed.base, index=index)
        for name in ("temp", "probes"):
            (home / name).mkdir()
        bring_ignored_files(testbed.checkout, path, testbed.tests, copies=testbed.copies)
        pointer = make_agent_repo(testbed.repository, home / "git", testbed.base, work_tree=path, checked_out=index)
        (path / ".git").write_bytes(pointer.read_bytes())
        fresh = FreshTree(
            testbed=testbed, tree=tree, path=path, private_git=home / "git", temp=home / "temp", probes=home / "probes"
        )
        fresh.first_failure(setup)
        yield fresh
    except OSError as error:
        raise CheckError(f"cannot write a fresh tree: {error.strerror or error}: `{home}`") from error
    finally:
        remove_tree(home, ignore_errors=True)


@contextlib.contextmanager
def beside(testbed: TestBed, work: Callable[[TestBed], T]) -> Iterator[Future[T]]:
    """Start work in a second thread; at the end of the block its commands are cancelled."""
    unwanted = threading.Event()
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="beside") as pool:
        begun = pool.submit(work, replace(testbed, cancelled=lambda: unwanted.is_set() or testbed.cancelled()))
        try:
            yield begun
        finally:
            unwanted.set()


def layout_of(testbed: TestBed, tree: Oid) -> Layout:
    """The layout of a tree of the test bed's repository."""
    paths = [entry.path for entry in testbed.repository.list_paths(tree)]
    found = find_layout(paths, lambda path: testbed.repository.read_blob(tree, path), directory=testbed.tests.directory)
    known = testbed.packages
    return found if known is None else replace(found, packages=tuple(p for p in found.packages if p in known))


def run_suite(
    fresh: FreshTree,
    *,
    command: TestCommand | None = None,
    only: Collection[str] = (),
    points: Mapping[str, Collection[str]] | None = None,
    functions: frozenset[str] = frozenset(),
) -> SuiteRun:
    """Run the tests once and read what they reported. A run over the time limit has no trusted results.

    A pytest test that takes longer than the test bed's `hang_after_s` and than ten times its neighbours
    fails.

    `only`: the ids without parameters that pytest runs; empty means all. `points`: report which of
    these lines and outcomes were there. `functions`, path::qualified name: note the calls of these, in Python.
    """
    tests = command or fresh.testbed.tests
    probe = make_probe(tests, tree=fresh.path, directory=fresh.probes, layout=fresh.layout, only=only, points=points)
    env = {**probe.env, "HANG_AFTER_S": f"{fresh.testbed.hang_after_s:g}"}
    if tests.report is ReportFormat.SUREFIRE:
        clear_stale_reports(fresh.path)
    recorder = prepare_recorder(fresh.path, fresh.probes, functions) if functions else None
    result = fresh.run(
        keep_import_path(probe.command, recorder.home) if recorder else probe.command,
        env=recorder.environ(env) if recorder else env,
        readable=(*probe.readable, recorder.home) if recorder else probe.readable,
        writable=(*probe.writable, recorder.out) if recorder else probe.writable,
        directory=tests.directory,
    )
    content = ReportContent() if tests.report is ReportFormat.NONE else read_report(probe, tests.report)
    run = _suite_run(tests, content, result)
    return replace(run, calls=recorder.calls()) if recorder else run


def run_tests(
    testbed: TestBed,
    tree: Oid,
    *,
    command: TestCommand | None = None,
    points: Mapping[str, Collection[str]] | None = None,
) -> SuiteRun:
    """Setup and one run of the tests in a fresh tree."""
    with fresh_tree(testbed, tree, setup=testbed.setup) as fresh:
        return run_suite(fresh, command=command, points=points)


def _suite_run(tests: TestCommand, content: ReportContent, result: CommandResult) -> SuiteRun:
    """What a run reported and how its command ended, together; where it ended too early, its last words."""
    last = result.output.strip().rpartition("\n")[2].strip()[:200]
    problem = f"{content.problem}: {last}" if content.problem == ENDED_EARLY and last else content.problem
    report = TestReport(
        command=tests.shown,
        exit_code=result.exit_code,
        cases=content.cases,
        has_report=content.found,
        output=cut_middle(content.output, 500_000) + result.output,
        seconds=result.seconds,
        timed_out=result.timed_out,
    )
    return SuiteRun(
        report=report,
        content=content,
        problem=problem,
        killed_by=result.killed_by_limit,
        is_flooded=result.truncated,
    )
