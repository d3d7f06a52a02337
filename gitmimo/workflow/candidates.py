"""One candidate: its step commits, where it resumes after a crash, and its product."""

import time
from collections.abc import Sequence
from dataclasses import replace

from gitmimo import mimo_dir, refnames
from gitmimo.agent.external.runner import ExternalAgent
from gitmimo.agent.interface import CandidateInput
from gitmimo.agent.planning import temperature_for
from gitmimo.agent.runner import pick_strategy, run_candidate
from gitmimo.codec import dump_json
from gitmimo.errors import MimoError
from gitmimo.evidence import Evidence, Gate, Outcome
from gitmimo.git import commit, diff, refs, snapshot
from gitmimo.git.repository import Repository
from gitmimo.journal import Journal
from gitmimo.llm.model import Model
from gitmimo.records import ActionKind, Oid, Step, StopReason, Trajectory, Usage
from gitmimo.redact import redact
from gitmimo.results import CandidateResult
from gitmimo.text import escape_controls
from gitmimo.workflow.directories import sessions_directory, stop_name
from gitmimo.workflow.history import TRAJECTORY, read_steps_at
from gitmimo.workflow.plan import Brief, Plan
from gitmimo.workflow.progress import Observer, Progress, StopSignal
from gitmimo.workflow.workspace import CandidateWorkspace, WorkspaceConfig
from gitmimo.workflow.worktrees import CandidatePaths, prepare_worktree, remove_candidate

_MOST_NAMED = 5


class StepRecorder:
    """Commits each step on the candidate's branch: the code as it is, and the step's record."""

    def __init__(self, repository: Repository, paths: CandidatePaths, workspace_config: WorkspaceConfig) -> None:
        self._repository = repository
        self._paths = paths
        self._config = workspace_config
        self.tip = refs.read_ref(repository, paths.branch) or paths.base

    def __call__(self, step: Step) -> Oid:
        """Commit a step; `.mimo/` of the worktree is left out, only the record is added."""
        repository, paths = self._repository, self._paths
        record, _ = redact(dump_json(step), self._config.known_secrets or {})
        files = snapshot.take_snapshot(repository, paths.worktree, parent=paths.base, index=paths.index).tree
        name = f"{TRAJECTORY}/{paths.session}/{paths.number}/{step.number:04d}.json"
        whole = mimo_dir.with_mimo_files(repository, files, self.tip, {name: record.encode()})
        kinds = ", ".join(action.kind.value for action in step.actions) or "no action"
        oid = commit.write_commit(
            repository, tree=whole, parents=(self.tip,), message=f"mimo: step {step.number}: {kinds}\n"
        )
        refs.update_ref(
            repository,
            paths.branch,
            oid,
            expected=self.tip,
            reason=f"mimo: step {step.number}",
            worktree=paths.worktree,
        )
        self.tip = oid
        return oid


def find_history(repository: Repository, paths: CandidatePaths) -> tuple[Step, ...]:
    """The steps that a cut-off candidate has on its branch; the branch is made again when it is gone."""
    kept = refnames.candidate_ref(paths.session, paths.number)
    kept_tip, tip = refs.read_ref(repository, kept), refs.read_ref(repository, paths.branch)
    if tip is None and kept_tip is not None:
        tip = kept_tip
        refs.update_ref(repository, paths.branch, tip, expected=None, reason="mimo: candidate resumed")
    if tip is None or tip == paths.base:
        return ()
    if kept_tip != tip:
        refs.update_ref(repository, kept, tip, expected=kept_tip, reason="mimo: candidate resumed")
    return read_steps_at(repository, paths.session, paths.number, base=paths.base, tip=tip)


def run_in_place(
    repository: Repository,
    plan: Plan,
    paths: CandidatePaths,
    brief: Brief,
    worker: Model | ExternalAgent,
    *,
    journal: Journal,
    observe: Observer,
    stop_signal: StopSignal,
) -> CandidateResult:
    """Make a candidate's worktree, run the candidate in it, after its earlier steps if any, and remove it."""
    number = paths.number
    journal.intend("worktree", candidate=number, path=str(paths.worktree), branch=paths.branch)
    history = find_history(repository, paths) if brief.goes_on else ()
    shared = plan.workspace_config
    prepare_worktree(repository, paths, tests=shared.tests, copied=shared.copied, linked=shared.linked)
    journal.done("worktree", candidate=number)
    try:
        given = _candidate_input(plan, brief, number, history)
        result = work(
            repository,
            paths,
            plan.workspace_config,
            given,
            worker,
            strategy=plan.strategy,
            journal=journal,
            observe=observe,
            stop_signal=stop_signal,
        )
        journal.done("worked", result=result)
    finally:
        remove_candidate(repository, paths)
        journal.done("cleaned", candidate=number)
    return result


def _candidate_input(plan: Plan, brief: Brief, number: int, history: tuple[Step, ...]) -> CandidateInput:
    return CandidateInput(
        task=plan.task,
        prefix=plan.prefix,
        approach=brief.approach,
        number=number,
        temperature=temperature_for(number),
        seed=number,
        max_steps=plan.max_steps,
        protocol=plan.protocol,
        command_timeout_s=plan.workspace_config.command_timeout_s,
        history=history,
        feedback=brief.feedback,
    )


def work(
    repository: Repository,
    paths: CandidatePaths,
    workspace_config: WorkspaceConfig,
    given: CandidateInput,
    worker: Model | ExternalAgent,
    *,
    strategy: str,
    journal: Journal,
    observe: Observer,
    stop_signal: StopSignal,
) -> CandidateResult:
    """Run one candidate to its end and keep its product. Every failure becomes its status, not an exception.

    The worker is a model in our own loop, or another agent's program.
    """
    started = time.monotonic()
    number = paths.number
    chosen = "external" if isinstance(worker, ExternalAgent) else pick_strategy(strategy, worker, given.task.text)
    spent = sum((step.reply.usage for step in given.history), Usage())
    cost = sum(step.reply.cost_usd or 0.0 for step in given.history)
    recorder = StepRecorder(repository, paths, workspace_config)

    def on_step(step: Step) -> Oid:
        nonlocal spent, cost
        spent = spent + step.reply.usage
        cost += step.reply.cost_usd or 0.0
        oid = recorder(step)
        journal.note("step", candidate=number, step=step.number, commit=oid)
        observe(
            Progress(number=number, phase="work", step=step.number, tokens=spent.total, cost_usd=cost, text=_last(step))
        )
        return oid

    who = worker.model if isinstance(worker, ExternalAgent) else worker.info.name
    observe(Progress(number=number, phase="work", model=who, text=given.approach.split("\n")[0][:60]))
    stop_file = sessions_directory(repository) / paths.session / stop_name(number)

    def stop() -> StopReason | None:
        return stop_signal.reason() or (StopReason.INTERRUPTED if stop_file.exists() else None)

    workspace = CandidateWorkspace(repository, paths, workspace_config, cancelled=lambda: stop() is not None)
    try:
        workspace.set_up()
        ended = None if _has_answer(given) else ended_before(given.history, strategy=chosen)
        if ended is not None:
            trajectory = ended
        elif isinstance(worker, ExternalAgent):
            trajectory = worker(given, workspace, on_step=on_step, stop=stop)
        else:
            trajectory = run_candidate(given, workspace, worker, strategy=chosen, on_step=on_step, stop=stop)
    except MimoError as exc:
        trajectory = Trajectory(
            steps=given.history, stop_reason=StopReason.ERROR, summary=exc.message, usage=spent, cost_usd=cost
        )
    if workspace.is_tampered:
        said = "it replaced the worktree's `.git`, so its work is not judged"
        trajectory = replace(trajectory, stop_reason=StopReason.TAMPERED, summary=said)
    result = _result(repository, paths, given, worker, chosen, trajectory, recorder.tip)
    dropped, refused = find_dropped(repository, paths)
    dropped = (*trajectory.remarks, *dropped)
    return replace(result, dropped=dropped, refused=refused, seconds=time.monotonic() - started)


def _has_answer(given: CandidateInput) -> bool:
    """Whether there is feedback on the last step of the history: then the candidate continues."""
    return bool(given.history) and any(each.after_step >= given.history[-1].number for each in given.feedback)


def ended_before(history: Sequence[Step], *, strategy: str) -> Trajectory | None:
    """The trajectory of a candidate whose last kept step was its end, though it was cut off before it said so."""
    if not history or strategy == "list":  # an item's end is not the work's
        return None
    last = history[-1]
    ending: tuple[StopReason, str] | None = None
    title = ""
    for action, observation in zip(last.actions, last.observations, strict=True):
        if action.kind is ActionKind.FINISH and observation.text == "accepted":
            ending = StopReason.FINISHED, action.text
            title = action.title
        elif action.kind is ActionKind.GIVE_UP and observation.text == "accepted":
            ending = StopReason.GAVE_UP, action.text
        elif strategy == "patch" and action.kind is ActionKind.TEST and observation.exit_code == 0:
            ending = StopReason.FINISHED, f"changed {', '.join(last.changed_paths)}; the tests pass"
    if ending is None:
        return None
    return Trajectory(
        steps=tuple(history),
        stop_reason=ending[0],
        summary=ending[1],
        title=title,
        usage=sum((step.reply.usage for step in history), Usage()),
        cost_usd=sum(step.reply.cost_usd or 0.0 for step in history),
        llm_calls=len(history),
    )


def _result(
    repository: Repository,
    paths: CandidatePaths,
    given: CandidateInput,
    worker: Model | ExternalAgent,
    strategy: str,
    trajectory: Trajectory,
    tip: Oid,
) -> CandidateResult:
    """Keep the candidate's last commit under a private ref and return the result."""
    kept = refnames.candidate_ref(paths.session, paths.number)
    refs.update_ref(repository, kept, tip, expected=refs.read_ref(repository, kept), reason="mimo: candidate kept")
    return CandidateResult(
        number=paths.number,
        branch=paths.branch.removeprefix("refs/heads/"),
        approach=given.approach,
        model=worker.model if isinstance(worker, ExternalAgent) else worker.info.name,
        strategy=strategy,
        status=trajectory.stop_reason.value,
        commit=tip,
        tree=mimo_dir.without_mimo(repository, repository.tree_of(tip)),
        steps=len(trajectory.steps),
        usage=trajectory.usage,
        cost_usd=trajectory.cost_usd,
        llm_calls=trajectory.llm_calls,
        summary=trajectory.summary,
        title=trajectory.title,
        agent=worker.adapter.name if isinstance(worker, ExternalAgent) else "mimo",
    )


def _last(step: Step) -> str:
    if not step.actions:
        return "thinking"
    action = step.actions[-1]
    about = (action.path or action.text).strip().split("\n")[0]
    return f"{action.kind.value} {about}"[:60]


def find_dropped(repository: Repository, paths: CandidatePaths) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Say what will be thrown away, and which files were kept out since they hold a secret; both for people.

    Call it while the candidate's worktree exists. Not noticed: files below `.mimo/` that git ignores, and what was
    changed there and changed back.
    """
    found = []
    now = snapshot.take_snapshot(repository, paths.worktree, parent=paths.base, index=paths.index)
    before, after = _memory(repository, repository.tree_of(paths.base)), _memory(repository, now.tree)
    changed = sorted(path for path in {*before, *after} if before.get(path) != after.get(path))
    if changed:
        found.append(f"its changes below `.mimo/` were dropped: {_names(changed)}")
    if now.left_out:
        found.append(f"not readable, or not allowed in git, and so left out: {_names(sorted(now.left_out))}")
    hooks = sorted(path.name for path in (paths.private_git / "hooks").glob("*") if not path.name.endswith(".sample"))
    if hooks:
        found.append(f"it planted git hooks, in a throw-away repository where none of ours runs: {_names(hooks)}")
    refused = (f"a secret: {why}, left out of its commits: {_names([path])}" for path, why in now.refused.items())
    return tuple(found), tuple(refused)


def refusal(repository: Repository, base: Oid, result: CandidateResult) -> Evidence:
    """The evidence of a product that lacks files since they hold a secret: it fails, and no test runs."""
    product = mimo_dir.without_mimo(repository, repository.tree_of(result.commit or base))
    before = mimo_dir.without_mimo(repository, repository.tree_of(base))
    gate = Gate(name="product", outcome=Outcome.FAIL, detail="; ".join(result.refused[:_MOST_NAMED]))
    found = diff.diff_facts(repository, before, product)
    return Evidence(tree=product, tested_tree=product, base=base, gates=(gate,), diff=found, flags=result.dropped)


def _memory(repository: Repository, root: Oid) -> dict[str, Oid]:
    """The files below `.mimo/` without the records of steps, which are ours."""
    entries = repository.list_paths(root)
    return {e.path: e.oid for e in entries if e.path.startswith(".mimo/") and not e.path.startswith(f"{TRAJECTORY}/")}


def _names(paths: list[str]) -> str:
    more = f" and {len(paths) - _MOST_NAMED} more" if len(paths) > _MOST_NAMED else ""
    return ", ".join(f"`{escape_controls(path, newlines=False)}`" for path in paths[:_MOST_NAMED]) + more
