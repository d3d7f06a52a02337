"""The evaluator as a session uses it: a test bed for its base, the base measured once, products judged once."""

import contextlib
import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from gitmimo.agent.interface import BaseSuite
from gitmimo.behaviour import SCHEMA, BehaviourReport
from gitmimo.cancel import NEVER
from gitmimo.config import Config
from gitmimo.errors import CheckError, ConfigError, RepoError
from gitmimo.evaluator.baseline import Baseline, measure_base
from gitmimo.evaluator.behaviour.compare import compare_behaviour
from gitmimo.evaluator.candidate_tests import run_on_other
from gitmimo.evaluator.detect import detect_test_command
from gitmimo.evaluator.evaluate import EvidenceStore, evaluate, evidence_key
from gitmimo.evaluator.protected import named_configuration
from gitmimo.evaluator.required_fixes import RequiredFixes, find_required_fixes
from gitmimo.evaluator.testbed import TestBed, fresh_tree, layout_of
from gitmimo.evaluator.testcommand import ReportFormat, TestCommand
from gitmimo.evidence import Evidence
from gitmimo.files import remove_tree
from gitmimo.git.agent_repo import base_objects
from gitmimo.git.repository import Repository
from gitmimo.git.trees import check_tree_path
from gitmimo.ids import Oid, SessionId, new_session_id
from gitmimo.redact import known_secrets
from gitmimo.sandbox.base import Limits, Sandbox
from gitmimo.sandbox.policy import command_paths
from gitmimo.sandbox.probe import open_sandbox
from gitmimo.workflow.directories import session_directory, state_home

NO_TESTS = TestCommand(command="true", report=ReportFormat.NONE, reason="only the --accept commands decide")
_MOST_LINES = 15
_COLLECT_S = 60.0


class SessionEvaluator:
    """Judges products of one base commit. Safe for several threads once the base was measured."""

    def __init__(
        self,
        testbed: TestBed,
        store: EvidenceStore,
        task_text: str,
        *,
        ignore_failing: bool = False,
    ) -> None:
        self.testbed = testbed
        self._store = store
        self._task_text = task_text
        self._ignore_failing = ignore_failing
        self._baseline: Baseline | None = None
        self._base_ended = threading.Event()
        self._crossed: dict[tuple[Oid, Oid], int] = {}

    @property
    def baseline(self) -> Baseline:
        """What the base says; CheckError before `measure_base`."""
        if self._baseline is None:
            raise CheckError("the base was not measured yet")
        return self._baseline

    @property
    def base_suite(self) -> BaseSuite | None:
        """What candidates learn about the base; None while it was not measured."""
        base = self._baseline
        if base is None:
            return None
        return BaseSuite(
            exit_code=base.report.exit_code,
            passed=len(base.passed_ids),
            failed=tuple(sorted(base.failed_ids)),
            flaky=base.flaky_ids,
            skipped=len(base.cases) - len(base.passed_ids) - len(base.failed_ids),
            seconds=base.report.seconds,
        )

    @property
    def required_fixes(self) -> RequiredFixes:
        """Which of the base's failing tests a product must make pass."""
        return find_required_fixes(
            self._task_text,
            self.baseline.failed_ids,
            unrelated=self.baseline.unrelated_ids,
            has_accept=bool(self.testbed.accept),
            ignore_failing=self._ignore_failing,
        )

    def measure_base(self) -> str:
        """Run the base's tests twice, and describe the outcome briefly."""
        try:
            found = self._baseline = measure_base(self.testbed)
        finally:
            self._base_ended.set()
        if not found.cases:
            return "no tests" if self.testbed.tests == NO_TESTS else "no results by test id"
        failing = f", {len(found.failed_ids)} failing" if found.failed_ids else ""
        flaky = f", {len(found.flaky_ids)} flaky set aside" if found.flaky_ids else ""
        return f"{len(found.passed_ids)} passing{failing}{flaky}"

    def evaluate(self, product: Oid, *, elsewhere: Callable[[], Evidence] | None = None) -> Evidence:
        """Judge a product, a commit or a tree, here or `elsewhere`; an equal one is not tested again."""
        return evaluate(
            self.testbed,
            self.baseline,
            product,
            required=self.required_fixes,
            store=self._store,
            elsewhere=elsewhere,
        )

    def accepts(self, tree: Oid) -> bool:
        """Whether all gates pass a tree, once the base was measured; False where tests don't decide, or on a stop."""
        while not self._base_ended.wait(0.05):
            if self.testbed.cancelled():
                return False
        if self._baseline is None or self.testbed.tests == NO_TESTS:
            return False
        try:
            return self.evaluate(tree).passed
        except CheckError:
            return False

    def is_complete(self, evidence: Evidence) -> bool:
        """Whether nothing is left to hope for: all gates passed, and every failing test that the task may mean."""
        return evidence.passed and not self.required_fixes.left(evidence.fixed_ids)

    def compare(self, passing: Mapping[int, Evidence], failed: Sequence[Evidence] = ()) -> BehaviourReport:
        """Compare what base and the products that passed do; kept, so that the same products are compared once.

        Where several passed, those that failed a test are asked as well.
        """
        trees = tuple(dict.fromkeys(evidence.tested_tree for evidence in passing.values()))
        others = tuple(each.tested_tree for each in failed) if len(trees) > 1 else ()
        fixed = {name for evidence in passing.values() for name in evidence.fixed_ids}
        fixed = fixed or set(self.required_fixes.test_ids)
        wish = json.dumps([SCHEMA, trees, others, sorted(fixed)])
        key = evidence_key(self.testbed, trees[0], f"{self.baseline.fingerprint} {wish}")
        with self._store.reserve(key, cancelled=self.testbed.cancelled):
            found = self._store.find(key, BehaviourReport)
            if found is None:
                found = compare_behaviour(
                    self.testbed, self.baseline, trees, failed=others, fixed_tests=frozenset(fixed)
                )
                if not found.problem:
                    self._store.keep(key, found)
        return found

    def compare_trees(self, trees: Sequence[Oid]) -> BehaviourReport | None:
        """Compare what base and these trees do, before they are judged; None while the base was not measured."""
        if self._baseline is None:
            return None
        fixed = self._baseline.failed_ids
        return compare_behaviour(self.testbed, self._baseline, trees, fixed_tests=fixed)

    def cross_examine(self, passing: Mapping[int, Evidence]) -> dict[int, tuple[int, int]]:
        """Run each candidate's own tests on the products of the others: how many pass, and of how many.

        Only tests count that fail on base and pass on their own product.
        """
        counts = dict.fromkeys(passing, (0, 0))
        for evidence in passing.values():
            for number, other in passing.items():
                if other.tree != evidence.tree and evidence.proving_tests:
                    passed = self._passed_of_others(author=evidence, other=other)
                    before = counts[number]
                    counts[number] = before[0] + passed, before[1] + len(evidence.proving_tests)
        return counts

    def _passed_of_others(self, *, author: Evidence, other: Evidence) -> int:
        pair = author.tree, other.tree
        if pair not in self._crossed:
            read = self.testbed.repository.read_blob
            contents = {path: read(author.tree, path) for path in author.landed_tests}
            files = {path: data for path, data in contents.items() if data is not None}
            passed = run_on_other(self.testbed, self.baseline, other.tested_tree, files)
            self._crossed[pair] = len(passed & set(author.proving_tests))
        return self._crossed[pair]

    def close(self) -> None:
        """Remove what tests left behind, and the session's and the repository's directories where they are empty."""
        remove_tree(self.testbed.scratch, ignore_errors=True)
        with contextlib.suppress(OSError):
            for directory in (*self.testbed.scratch.parents,)[:2]:
                directory.rmdir()


def open_evaluator(
    repository: Repository,
    config: Config,
    base: Oid,
    session: SessionId,
    *,
    task_text: str = "",
    cancelled: Callable[[], bool] = NEVER.is_set,
) -> SessionEvaluator:
    """Set up the evaluator for a base commit: environment, commands, protected paths, caches.

    SandboxUnavailable and CheckError say what is missing before anything is made.
    """
    _check_brought_paths(config)
    tests = find_test_command(repository, config, base)
    testbed = TestBed(
        repository=repository,
        sandbox=_open_sandbox(repository, config, base, tests),
        base=base,
        scratch=session_directory(repository, session) / "bench",
        tests=tests,
        setup=(config.text("setup"),) if config.text("setup") else (),
        accept=() if config["operation"] else config.texts("accept"),  # an operation's are run beside its script
        protected=config.texts("protected"),
        unprotected=config.texts("unprotected"),
        asked=named_configuration(task_text),
        limits=Limits(timeout_s=config.seconds("testTimeout")),
        hang_after_s=config.seconds("hangAfter"),
        network=bool(config["sandbox.network"]),
        checkout=repository.work_tree,
        copies=config.texts("worktree.copy"),
        known_secrets=known_secrets(os.environ),
        cancelled=cancelled,
    )
    return SessionEvaluator(
        testbed,
        EvidenceStore(repository.state_dir / "evidence"),
        task_text,
        ignore_failing=bool(config["ignoreFailing"]),
    )


@contextlib.contextmanager
def plain_testbed(
    repository: Repository, config: Config, base: Oid, *, timeout_s: float, readable: Sequence[Path] = ()
) -> Iterator[TestBed]:
    """A test bed for commands outside a session, none of which judges anything; its directory goes with it."""
    directory = session_directory(repository, new_session_id())
    sandbox = open_sandbox(
        config.text("sandbox"),
        hidden=(repository.common_dir, state_home()),
        readable=tuple(readable),
        environ=os.environ,
    )
    try:
        yield TestBed(
            repository=repository,
            sandbox=sandbox,
            base=base,
            scratch=directory / "bench",
            tests=NO_TESTS,
            limits=Limits(timeout_s=timeout_s),
        )
    finally:
        remove_tree(directory, ignore_errors=True)


def _open_sandbox(repository: Repository, config: Config, base: Oid, tests: TestCommand) -> Sandbox:
    """A sandbox that shows the programs of the person's commands wherever they are installed."""
    commands = (tests.shown, config.text("setup"), *config.texts("accept"))
    return open_sandbox(
        config.text("sandbox"),
        hidden=(repository.common_dir, state_home()),
        readable=(base_objects(repository, base), *tests.readable, *command_paths(commands)),
        environ=_project_environ(os.environ, tests),
    )


def _project_environ(environ: Mapping[str, str], tests: TestCommand) -> dict[str, str]:
    """The user's environment as the project's activated one: its own programs come first on PATH."""
    if tests.programs is None:
        return dict(environ)
    path = os.pathsep.join([str(tests.programs), environ.get("PATH", os.defpath)])
    active = {"VIRTUAL_ENV": str(tests.programs.parent)} if (tests.programs.parent / "pyvenv.cfg").is_file() else {}
    return {**environ, "PATH": path, **active}


def _check_brought_paths(config: Config) -> None:
    """Refuse to copy or link what is git's own or outside the checkout: a repository may bring this configuration."""
    for option in ("worktree.copy", "worktree.link"):
        for name in config.texts(option):
            try:
                check_tree_path(name.removesuffix("/"))
            except RepoError as exc:
                raise ConfigError(
                    f"`mimo.{option}` ({config.origin(option)}) names what no worktree may get: `{name}`",
                    hint=f"git mimo config list   # name files below the checkout in {option}",
                ) from exc


def find_test_command(repository: Repository, config: Config, base: Oid) -> TestCommand:
    """Decide how the tests of a base commit are run; CheckError with a hint when nothing is found."""
    tree = repository.tree_of(base)
    try:
        return detect_test_command(
            [entry.path for entry in repository.list_paths(tree)],
            partial(repository.read_blob, tree),
            given=config.text("test"),
            checkout=repository.work_tree,
            environ=os.environ,
            directory=config.text("directory"),
        )
    except CheckError as exc:
        if config.texts("accept") and not config.text("test"):
            return NO_TESTS
        raise CheckError(
            f"{exc.message}, so nothing could say whether a candidate is right",
            hint=f"{exc.hint}\n"
            'git mimo start --accept "python check.py" --task ...   # a command that must exit 0 on the result',
        ) from exc


def visible_import_roots(testbed: TestBed) -> tuple[str, ...]:
    """The directories of the base tree that a candidate's Python imports from, relative to it."""
    is_python = testbed.tests.interpreter or testbed.tests.is_pytest
    return layout_of(testbed, testbed.base).roots if is_python else ()


def visible_test_command(tests: TestCommand) -> str:
    """The command as a candidate may run it in its own worktree; empty when there are no tests."""
    return "" if tests == NO_TESTS else tests.shown


def collect_tests(repository: Repository, config: Config, base: Oid) -> str:
    """Collect pytest's tests of a commit in a fresh tree, in the sandbox; empty where they are found, or not pytest's.

    Otherwise the last lines of what pytest says. CheckError when no tree could be made or no command be run.
    """
    evaluator = open_evaluator(repository, config, base, new_session_id())
    with contextlib.closing(evaluator):
        testbed = evaluator.testbed
        if not testbed.tests.is_pytest:
            return ""
        tree = repository.tree_of(base)
        with fresh_tree(testbed, tree) as fresh:
            if failed := fresh.first_failure(testbed.setup):
                raise CheckError(f"setup fails with exit code {failed.exit_code}: `{failed.command}`")
            done = fresh.run(
                f"timeout {_COLLECT_S:.0f} {testbed.tests.shown} --collect-only -q -p no:cacheprovider --color=no",
                env={"PYTHONPATH": os.pathsep.join(fresh.import_path)},
                directory=testbed.tests.directory,
            )
    if done.exit_code == 0:
        return ""
    lines = [line for line in done.output.splitlines() if line.strip()]
    return "\n".join(lines[-_MOST_LINES:]) or f"exit code {done.exit_code}"
