"""Where a candidate works: its worktree, the disposable git in it, and the commands it may run there."""

import json
import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from gitmimo.agent.interface import BaseSuite, LeastChange, WorkspaceFacts
from gitmimo.errors import CheckError
from gitmimo.evaluator.probe import keep_import_path, probe_path
from gitmimo.evaluator.testcommand import bring_ignored_files
from gitmimo.files import remove_tree
from gitmimo.git import diff, snapshot
from gitmimo.git.trees import without_mimo, write_files
from gitmimo.ids import Oid
from gitmimo.records import CommandResult
from gitmimo.sandbox.base import CommandSpec, Limits
from gitmimo.sandbox.policy import program_paths
from gitmimo.workflow.directories import hints_path
from gitmimo.workflow.evaluate import visible_import_roots, visible_test_command
from gitmimo.workflow.plan import Plan, overview
from gitmimo.workflow.worktrees import CandidatePaths

_HANG_GUARD = probe_path("hang_guard.py")
_AGENT_MEMORY_BYTES = 8 << 30  # JavaScript engines reserve much more than they use
_HANGS_AFTER = 10  # times what the tests took before: a change that lets them run longer has made an endless loop
_LEAST_TEST_S = 10.0
_QUESTION_S = 20.0
# what tests leave behind is no part of a product
_COMMAND_ENVIRONMENT = {"PYTHONDONTWRITEBYTECODE": "1", "PYTEST_ADDOPTS": "-p no:cacheprovider", "CI": "1"}
_PROGRAMS = (
    *("git", "rg", "fd", "jq", "curl", "make", "cmake", "gcc", "python", "python3", "pytest", "uv", "poetry", "ruff"),
    *("mypy", "node", "npm", "pnpm", "yarn", "tsc", "go", "cargo", "java", "mvn", "gradle", "ruby", "php"),
)
_FEW = 40  # entries
_ALWAYS_SAID = {"rg", "uv", "node", "npm", "make"}  # what rules of projects often name: said also where it isn't there


class CandidateWorkspace:
    """A candidate's worktree as the agent sees it: files, commands, the project's visible tests."""

    def __init__(self, plan: Plan, paths: CandidatePaths, *, cancelled: Callable[[], bool]) -> None:
        self.root = paths.worktree
        self._plan = plan
        self._paths = paths
        self._testbed = plan.testbed
        self._repository = plan.testbed.repository
        self._network = plan.testbed.network or plan.grants.network
        self._import_roots = visible_import_roots(plan.testbed)
        self._command_timeout_s = plan.config.seconds("commandTimeout")
        self._cancelled = cancelled
        self._pointer = _read_pointer(self.root)
        self._test_limit_s = plan.testbed.limits.timeout_s
        self._facts: WorkspaceFacts | None = None
        self._hints_heard = 0

    @property
    def is_tampered(self) -> bool:
        """Whether the worktree's `.git` is another one than at the beginning: where a sandbox can't bind over it."""
        return _read_pointer(self.root) != self._pointer

    def set_up(self) -> None:
        """Bring the ignored files that the project needs, and run its setup command. CheckError when that fails."""
        tests = replace(
            self._testbed.tests, links=(*self._testbed.tests.links, *self._plan.config.texts("worktree.link"))
        )
        bring_ignored_files(self._repository.work_tree, self.root, tests, copies=self._testbed.copies)
        for command in self._testbed.setup:
            done = self._run(command, self._testbed.limits.timeout_s)
            if done.exit_code:
                last = " | ".join(done.output.strip().splitlines()[-3:])[:300]
                raise CheckError(f"setup fails with exit code {done.exit_code}: `{command}`: {last}")

    def run(self, command: str, *, timeout_s: float | None = None) -> CommandResult:
        """Run a command of the agent's in the sandbox, by bash with `pipefail`."""
        done = self._run(f"set -o pipefail\n{command}", timeout_s or self._command_timeout_s)
        return replace(done, command=command)

    def facts(self) -> WorkspaceFacts:
        """Facts about the worktree and its tools, asked once in the sandbox; what isn't answered stays unsaid."""
        if self._facts is not None:
            return self._facts
        base, tests = self._paths.base, self._testbed.tests
        paths = [entry.path for entry in self._repository.list_paths(self._repository.tree_of(base))]
        question = [
            "uname -srm",
            f"{shlex.quote(str(tests.interpreter))} --version 2>&1" if tests.interpreter else "echo",
        ]
        question += [f"command -v {name} >/dev/null && echo {name}" for name in _PROGRAMS]
        lines = [line.strip() for line in self._run("\n".join(question), _QUESTION_S).output.splitlines()]
        system, version = lines[:2] if len(lines) > 1 else ("", "")
        found = [line for line in lines[2:] if line in _PROGRAMS]
        self._facts = WorkspaceFacts(
            system=system,
            interpreter=f"{version} at {tests.interpreter}" if tests.interpreter and version else "",
            programs=tuple(found),
            missing=tuple(sorted(_ALWAYS_SAID - set(found))) if found else (),
            test_directory=tests.directory,
            network=self._network,
            commit=f"commit {base[:12]}",
            entries=tuple(overview([path for path in paths if not path.startswith(".mimo/")], _FEW)),
            protected=self._testbed.protected,
            command_timeout_s=self._command_timeout_s,
        )
        return self._facts

    def hints(self) -> tuple[str, ...]:
        """What a person said to this candidate, or to all, since the last call; a resumed one hears all of it again."""
        path = hints_path(self._repository, self._paths.session)
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        new, self._hints_heard = lines[self._hints_heard :], len(lines)
        said = [json.loads(line) for line in new]
        return tuple(str(each["text"]) for each in said if each["candidate"] in (None, self._paths.number))

    def base_suite(self) -> BaseSuite | None:
        """What the tests say of the base; None while that is not known."""
        evaluator = self._plan.evaluator
        return evaluator.base_suite if evaluator is not None else None

    def test(self, only: Sequence[str] = ()) -> CommandResult | None:
        """Run the project's test command, or with pytest these tests alone; None when there is none, or no such way.

        What ended once gets ten times as long from then on, so that a change that never ends costs seconds, not the
        whole limit.
        """
        tests = self._testbed.tests
        command = visible_test_command(tests)
        if not command or (only and not tests.is_pytest):
            return None
        job = self._job(" ".join([command, *map(shlex.quote, only)]), self._test_limit_s)
        if tests.is_pytest:
            job = self._guarded(job)
        done = self._testbed.sandbox.run(replace(job, cwd=self.root / tests.directory))
        if not done.timed_out and not only:
            enough = max(_LEAST_TEST_S, _HANGS_AFTER * done.seconds)
            self._test_limit_s = min(self._testbed.limits.timeout_s, enough)
        return done

    def is_accepted(self) -> bool:
        """Whether the evaluator's gates pass what the files make now: its evidence is that of the product then."""
        evaluator = self._plan.evaluator
        return evaluator is not None and evaluator.accepts(Oid(self.tree_id()))

    def changes(self) -> str:
        """What differs from the base now, one line a file; empty when nothing does."""
        facts = diff.diff_facts(self._repository, self._base_tree(), Oid(self.tree_id()))
        if not facts.files:
            return ""
        lines = [f"{change.status} {change.path} +{change.added} -{change.removed}" for change in facts.files[:50]]
        return "\n".join([*lines, f"{len(facts.files)} files, +{facts.added} -{facts.removed}"])

    def diff(self) -> str:
        """The product so far as a unified diff."""
        found = diff.diff_text(self._repository, self._base_tree(), Oid(self.tree_id()))
        return found.decode("utf-8", "replace")

    def tree_id(self) -> str:
        """The tree that the files make now, without `.mimo/`."""
        paths = self._paths
        now = snapshot.take_snapshot(self._repository, self.root, base=paths.base, index=paths.index).tree
        return without_mimo(self._repository, now)

    def least_change(self, changes: Sequence[Mapping[str, str]]) -> LeastChange | None:
        """Compare changes of the base by what they do on inputs of its tests; None where the base isn't known yet."""
        evaluator = self._plan.evaluator
        if evaluator is None or not changes:
            return None
        base = self._base_tree()
        trees = [
            write_files(self._repository, base, {path: text.encode() for path, text in change.items()})
            for change in changes
        ]
        report = evaluator.compare_trees(trees)
        if report is None or not report.groups:
            return None
        found = {product.tree: product for product in report.products if not product.problem}
        order = [index for index, each in enumerate(trees) if each in found]
        if not order:
            return None
        best = min(order, key=lambda index: (found[trees[index]].changed_outside, found[trees[index]].new_errors))
        example = next((f"{s.call}: {' | '.join(a.answer for a in s.answers)}" for s in report.splits), "")
        return LeastChange(index=best, behaviours=len(report.groups), example=example)

    def _base_tree(self) -> Oid:
        return without_mimo(self._repository, self._repository.tree_of(self._paths.base))

    @property
    def home(self) -> Path:
        """A private home for another agent's program; made and removed by who runs it."""
        return self._paths.home

    def run_agent(
        self, argv: Sequence[str], *, program: Path, env: Mapping[str, str], timeout_s: float
    ) -> CommandResult:
        """Run another agent's program in the sandbox: with network, its own files readable, and a private home."""
        job = self._job(argv, timeout_s)
        limits = replace(job.limits, memory_bytes=_AGENT_MEMORY_BYTES)
        return self._testbed.sandbox.run(
            replace(
                job,
                network=True,
                writable=(self.home,),
                readable=program_paths(program),
                limits=limits,
                env={**job.env, **env, "HOME": str(self.home)},
            )
        )

    def remove_leftovers(self, patterns: Sequence[str]) -> None:
        """Remove what matches at the top of the worktree, unless it is the project's."""
        for pattern in patterns:
            for path in self.root.glob(pattern):
                if self._repository.find_entry(self._paths.base, path.name) is None:
                    remove_tree(path, ignore_errors=True)

    def _run(self, command: str, timeout_s: float) -> CommandResult:
        return self._testbed.sandbox.run(self._job(command, timeout_s))

    def _job(self, command: str | Sequence[str], timeout_s: float) -> CommandSpec:
        return CommandSpec(
            command=command,
            work_tree=self.root,
            private_git=self._paths.private_git,
            temp=self._paths.temp if self._paths.temp.is_dir() else None,
            network=self._network,
            writable=self._plan.grants.writable,
            limits=Limits(timeout_s=timeout_s),
            env=_COMMAND_ENVIRONMENT | self._python_environment() | {"MIMO_CANDIDATE": str(self._paths.number)},
            cancelled=self._cancelled,
        )

    def _python_environment(self) -> dict[str, str]:
        """Imports as in the evaluator's runs, before an installed copy of the project."""
        roots = [str(self.root / root) for root in self._import_roots]
        return {"PYTHONPATH": os.pathsep.join(roots)} if roots else {}

    def _guarded(self, job: CommandSpec) -> CommandSpec:
        """A run of pytest in which tests that hang end, also where the command sets its own PYTHONPATH."""
        home = _HANG_GUARD.parent
        env = {
            **job.env,
            "PYTHONPATH": os.pathsep.join(filter(None, (job.env.get("PYTHONPATH", ""), str(home)))),
            "PYTEST_ADDOPTS": f"{_COMMAND_ENVIRONMENT['PYTEST_ADDOPTS']} -p {_HANG_GUARD.stem}",
            "HANG_AFTER_S": f"{self._testbed.hang_after_s:g}",
        }
        return replace(job, command=keep_import_path(str(job.command), home), env=env, readable=(home,))


def _read_pointer(directory: Path) -> bytes | None:
    """The content of `.git`; None unless it is a file."""
    paths = directory / ".git"
    try:
        return None if paths.is_symlink() or not paths.is_file() else paths.read_bytes()
    except OSError:
        return None
