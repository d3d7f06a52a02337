"""From a task and a configuration to a finished session, new or resumed: every check first, then the runner."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gitmimo.config import Config
from gitmimo.errors import MimoError, RepoError, UsageError
from gitmimo.git import commit, refs, snapshot
from gitmimo.git.repository import Repository
from gitmimo.git.trees import with_mimo_from
from gitmimo.ids import Oid, SessionId, SessionStatus, new_session_id
from gitmimo.journal import read_journal
from gitmimo.memory.recall import find_skill, prefix_text, skill_text
from gitmimo.memory.skill_file import Skill
from gitmimo.records import SessionResult, Task
from gitmimo.redact import known_secrets, redact
from gitmimo.workflow.agents import Staff, Workers, choose_staff, effort_of, warnings_for
from gitmimo.workflow.candidates import Executor
from gitmimo.workflow.directories import sessions_directory
from gitmimo.workflow.evaluate import SessionEvaluator, open_evaluator, visible_test_command
from gitmimo.workflow.gc import clean_orphans
from gitmimo.workflow.history import Past, read_past
from gitmimo.workflow.journals import SessionState, find_session, list_session_ids, read_session
from gitmimo.workflow.memory_home import memory_view
from gitmimo.workflow.merge import merge_at_the_end
from gitmimo.workflow.models import ModelPool, open_models
from gitmimo.workflow.operations import OPERATION_RULES, check_operation
from gitmimo.workflow.plan import Plan, Reviewer
from gitmimo.workflow.progress import Watch, session_context
from gitmimo.workflow.scripts import read_grants
from gitmimo.workflow.session import SessionRunner
from gitmimo.workflow.session_result import restore
from gitmimo.workflow.skill_replay import ScriptMatch, find_script
from gitmimo.workflow.trust import require_trust

MAX_TASK_BYTES = 64 * 1024
LOG_NAME = "log"
_POLL_S = 0.1


def start_session(
    repository: Repository,
    config: Config,
    task_text: str,
    watch: Watch,
    *,
    origin: tuple[Oid, str | None] | None = None,
    session: SessionId | None = None,
) -> SessionResult:
    """Run a whole session in the user's repository and return how it ended.

    It starts from a commit and aims at a branch, `origin`; from HEAD and at its branch where that is left out.
    Raises before anything is made when something is missing: commits, a model, a key, tests, a sandbox, trust.
    """
    base, branch = origin or (repository.resolve("HEAD"), repository.head_branch())
    require_trust(repository, config)
    refs.check_branch_prefix(repository, config.text("branchPrefix"))
    task_text, taken_out = redact(task_text, known_secrets(os.environ))
    if taken_out:
        watch.warn(f"secrets in the task, taken out before a model or a commit gets them: {taken_out}")
    clean_orphans(repository)
    watch.warn(_describe_start(repository, base, branch))
    return run_session(
        SessionRequest(
            repository=repository,
            config=config,
            task_text=task_text,
            session=session or new_session_id(),
            base=base,
            target_branch=branch,
            watch=watch,
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRequest:
    """What a session runs with, new or resumed. `past` is what a resumed one had reached before."""

    repository: Repository
    config: Config
    task_text: str
    session: SessionId
    base: Oid
    target_branch: str | None
    watch: Watch
    past: Past | None = None


def run_session(request: SessionRequest) -> SessionResult:
    """Run a session, new or resumed, to its end, including the merge if it was asked for."""
    repository, config, session, watch = request.repository, request.config, request.session, request.watch
    staff = choose_staff(config)
    for warning in warnings_for(staff):
        watch.warn(warning)
    if config["operation"]:
        check_operation(config)
    match = _find_script(request) if config["skills"] else None
    needs_model = staff.needs_model and not (match and match.approved)  # a script that fails asks for one then
    models = open_models(repository, config, session, needs_model=needs_model)
    with contextlib.closing(models):
        workers = Workers(config, staff, models)
        task_text, cancelled = request.task_text, watch.stop_signal.is_set
        with (
            contextlib.closing(
                open_evaluator(repository, config, request.base, session, task_text=task_text, cancelled=cancelled)
            ) as evaluator,
            contextlib.closing(_open_executor(request)) as executor,
        ):
            plan = _plan(request, staff, models, evaluator)
            with session_context(repository, session, watch) as context:
                result = SessionRunner(
                    context=context,
                    plan=plan,
                    workers=workers,
                    evaluator=evaluator,
                    executor=executor,
                    reviewer=Reviewer(repository, plan, models),
                    script=match,
                ).run()
            if config["merge"] and result.result_commit is not None:
                result = merge_at_the_end(repository, config, result, watch)
            return result


def _find_script(request: SessionRequest) -> ScriptMatch | None:
    view = memory_view(request.repository, request.config, request.base)
    return find_script(request.repository, view, request.task_text, operation=bool(request.config["operation"]))


def _open_executor(request: SessionRequest) -> Executor:
    """The executor that the configuration names. ConfigError when it is not to be had."""
    if request.config.text("executor") == "ray":
        from gitmimo.workflow.on_ray.driver import RayExecutor  # with what only a cluster needs

        return RayExecutor(request.repository, request.config, request.session, request.watch.stop_signal)
    return Executor()


def _plan(request: SessionRequest, staff: Staff, models: ModelPool, evaluator: SessionEvaluator) -> Plan:
    config = request.config
    memory = memory_view(request.repository, config, request.base)
    skill = find_skill(request.repository, memory, request.task_text)
    return Plan(
        task=Task(
            text=request.task_text.strip(),
            test_command=visible_test_command(evaluator.testbed.tests),
            accept_commands=config.texts("accept"),
        ),
        base=request.base,
        target_branch=request.target_branch,
        config=config,
        testbed=evaluator.testbed,
        evaluator=evaluator,
        grants=read_grants(config.texts("grants")),
        prefix=_prefix(request.repository, config, memory, skill),
        follows=skill.commits if skill is not None else (),
        candidates=staff.count,
        effort=effort_of(config, staff, models),
        past=request.past,
    )


def _prefix(repository: Repository, config: Config, memory: str, skill: Skill | None) -> str:
    """What the project wants every candidate to know: its rules, its memory, and the skill that fits the task."""
    rules = OPERATION_RULES if config["operation"] else ""
    fitting = skill_text(repository, memory, skill) if skill is not None else ""
    parts = (prefix_text(repository, memory), fitting, rules)
    return "\n\n".join(part for part in parts if part.strip())


def _describe_start(repository: Repository, base: Oid, branch: str | None) -> str:
    where = f"branch {branch}" if branch else "a detached HEAD"
    dirty = repository.run("status", "--porcelain", "--untracked-files=no", check=False).stdout.strip()
    is_head = base == repository.resolve("HEAD")
    left_out = "; uncommitted changes are left out (--with-changes takes them)" if dirty and is_head else ""
    return f"starting from {base[:12]} on {where}{left_out}"


def commit_changes(repository: Repository) -> Oid | None:
    """Write the checkout as it is, new files included, as a commit on HEAD; None when it holds nothing new.

    Ignored files stay out. Branch, index and files are left as they are: only the session's base ref names the commit.
    """
    head = repository.resolve("HEAD")
    before = repository.tree_of(head)
    found = snapshot.snapshot_once(repository, repository.require_work_tree(), base=head).tree
    tree = with_mimo_from(repository, found, before)
    if tree == before:
        return None
    message = "mimo: uncommitted changes at the start of a session\n"
    return commit.write_commit(repository, tree=tree, parents=(head,), message=message)


class NotStarted(MimoError):
    """The detached process ended before its session began; the message is what it said."""

    def __init__(self, message: str, *, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def detach(repository: Repository, session: SessionId, arguments: Sequence[str], *, task: str) -> Path:
    """Start `git mimo ARGUMENTS` in its own session of the system, and return its log once the journal has begun.

    The task goes over stdin, so that no list of processes shows it.
    """
    directory = sessions_directory(repository) / session
    directory.mkdir(parents=True, exist_ok=True)
    log = directory / LOG_NAME
    with log.open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "gitmimo", *arguments],
            cwd=Path.cwd(),
            env=dict(os.environ),
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        if process.stdin is not None:
            process.stdin.write(task.encode())
            process.stdin.close()
    while not read_journal(directory / "journal.jsonl"):
        code = process.poll()
        if code is not None:
            text = log.read_text(errors="replace").strip()
            log.unlink()
            directory.rmdir() if not any(directory.iterdir()) else None
            raise NotStarted(text.removeprefix("fatal: ") or "the session did not begin", exit_code=code)
        time.sleep(_POLL_S)
    process.returncode = 0  # it is not ours to wait for any more
    return log


def find_interrupted(repository: Repository, name: str | None) -> SessionState:
    """The session to resume: the one named, or the newest that can be; UsageError when there is nothing to do."""
    names = [find_session(repository, name)] if name else list_session_ids(repository)
    states = (read_session(repository, each) for each in names)
    state = next((each for each in states if name or _is_resumable(each)), None)
    if state is None:
        raise UsageError("no session was cut off", hint="git mimo list")
    session, status = state.session, state.status
    if status is SessionStatus.RUNNING:
        raise UsageError(f"session {session} is still running", hint=f"git mimo attach {session}")
    if not _is_resumable(state):
        raise UsageError(
            f"session {session} has come to its end ({status}), nothing is left to resume",
            hint=f"git mimo show {session}",
        )
    return state


def resume_session(repository: Repository, config: Config, state: SessionState, watch: Watch) -> SessionResult:
    """Run what is missing: finished candidates keep their results, an unfinished one continues after its last step.

    `config` is the configuration of now; the session's own settings are put over it, except what only limits it.
    """
    result = state.result
    own = restore(config, state.settings)
    if not repository.has_object(result.base):
        raise RepoError(f"the base commit of session {result.session} is gone: `{result.base}`")
    if _only_merge_is_left(state):
        return merge_at_the_end(repository, own, result, watch)
    past = read_past(repository, result.session)
    watch.warn(f"session {result.session} goes on from {result.base[:12]}: {len(past.results)} candidates had ended")
    return run_session(
        SessionRequest(
            repository=repository,
            config=own,
            task_text=result.task,
            session=result.session,
            base=result.base,
            target_branch=result.target_branch,
            watch=watch,
            past=past,
        )
    )


def _is_resumable(state: SessionState) -> bool:
    cut_off = (SessionStatus.BUDGET, SessionStatus.INTERRUPTED, SessionStatus.ERROR)
    if state.status is SessionStatus.RUNNING:
        return False
    return not state.is_closed or state.status in cut_off or _only_merge_is_left(state)


def _only_merge_is_left(state: SessionState) -> bool:
    result = state.result
    wanted = bool(state.settings.get("merge")) or state.merging == result.result_commit
    return state.is_closed and wanted and result.result_commit is not None and not result.merged
