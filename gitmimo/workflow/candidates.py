"""One candidate: its worktree, its step commits, where it resumes after a crash, and its product."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from gitmimo import ids
from gitmimo.agent.external.runner import ExternalAgent
from gitmimo.agent.interface import CandidateInput
from gitmimo.agent.runner import pick_strategy, run_candidate, temperature_for
from gitmimo.codec import dump_json
from gitmimo.errors import MimoError
from gitmimo.evidence import Evidence, Gate, Outcome
from gitmimo.git import commit, diff, refs, snapshot
from gitmimo.git.repository import Repository
from gitmimo.git.trees import with_mimo_files, without_mimo
from gitmimo.ids import Oid
from gitmimo.llm.model import Model
from gitmimo.records import ActionKind, CandidateResult, Step, StopReason, Trajectory, Usage
from gitmimo.redact import redact
from gitmimo.text import escape_controls
from gitmimo.workflow.directories import session_directory, sessions_directory, stop_name
from gitmimo.workflow.evaluate import SessionEvaluator
from gitmimo.workflow.history import TRAJECTORY, read_steps_at
from gitmimo.workflow.plan import Brief, Plan
from gitmimo.workflow.progress import Progress, SessionContext
from gitmimo.workflow.workspace import CandidateWorkspace
from gitmimo.workflow.worktrees import CandidatePaths, prepare_worktree, remove_candidate

_MOST_NAMED = 5


def paths_of(context: SessionContext, plan: Plan, number: int) -> CandidatePaths:
    """Where a candidate of the session works, and its branch."""
    return CandidatePaths(
        session=context.session,
        number=number,
        base=plan.base,
        branch=ids.branch_ref(ids.candidate_branch(context.session, number, prefix=plan.config.text("branchPrefix"))),
        directory=session_directory(context.repository, context.session, root=plan.worktree_root),
    )


class StepRecorder:
    """Commits each step on the candidate's branch: the code as it is, and the step's record."""

    def __init__(self, repository: Repository, paths: CandidatePaths, known_secrets: Mapping[str, str]) -> None:
        self._repository = repository
        self._paths = paths
        self._known_secrets = known_secrets
        self.tip = refs.read_ref(repository, paths.branch) or paths.base

    def __call__(self, step: Step) -> Oid:
        """Commit a step; `.mimo/` of the worktree is left out, only the record is added."""
        repository, paths = self._repository, self._paths
        record, _ = redact(dump_json(step), self._known_secrets)
        files = snapshot.take_snapshot(repository, paths.worktree, base=paths.base, index=paths.index).tree
        name = f"{TRAJECTORY}/{paths.session}/{paths.number}/{step.number:04d}.json"
        whole = with_mimo_files(repository, files, self.tip, {name: record.encode()})
        kinds = ", ".join(action.kind.value for action in step.actions) or "no action"
        reason = f"mimo: step {step.number}"
        oid = commit.write_commit(repository, tree=whole, parents=(self.tip,), message=f"{reason}: {kinds}\n")
        refs.update_ref(repository, paths.branch, oid, expected=self.tip, reason=reason, worktree=paths.worktree)
        self.tip = oid
        return oid


def find_history(repository: Repository, paths: CandidatePaths) -> tuple[Step, ...]:
    """The steps that a cut-off candidate has on its branch; the branch is made again when it is gone."""
    kept = ids.candidate_ref(paths.session, paths.number)
    kept_tip, tip = refs.read_ref(repository, kept), refs.read_ref(repository, paths.branch)
    if tip is None and kept_tip is not None:
        tip = kept_tip
        refs.update_ref(repository, paths.branch, tip, expected=None, reason="mimo: candidate resumed")
    if tip is None or tip == paths.base:
        return ()
    if kept_tip != tip:
        refs.update_ref(repository, kept, tip, expected=kept_tip, reason="mimo: candidate resumed")
    return read_steps_at(repository, paths.session, paths.number, base=paths.base, tip=tip)


class CandidateRun:
    """One candidate at work in this process. The worker is a model in our own loop, or another agent's program."""

    _recorder: StepRecorder  # once there is a worktree

    def __init__(self, context: SessionContext, plan: Plan, brief: Brief, worker: Model | ExternalAgent) -> None:
        self._context = context
        self._plan = plan
        self._brief = brief
        self._worker = worker
        self._paths = paths_of(context, plan, brief.number)
        if isinstance(worker, ExternalAgent):
            self._strategy = "external"
        else:
            self._strategy = pick_strategy(plan.config.text("strategy"), worker, plan.task.text)
        self._steps: list[Step] = []  # with those from before a crash
        self._stop_file = sessions_directory(context.repository) / context.session / stop_name(brief.number)

    def run(self) -> CandidateResult:
        """Make the candidate's worktree, let it work there, after its earlier steps if any, and remove it.

        Every failure of the work becomes the candidate's status, not an exception.
        """
        context, paths, number = self._context, self._paths, self._brief.number
        about = {"branch": paths.branch, "model": _name(self._worker)}
        context.journal.intend("worktree", candidate=number, path=str(paths.worktree), **about)
        self._steps = list(find_history(context.repository, paths)) if self._brief.goes_on else []
        prepare_worktree(context.repository, paths)
        context.journal.done("worktree", candidate=number)
        try:
            result = self._work()
            context.journal.done("worked", result=result)
        finally:
            remove_candidate(context.repository, paths)
            context.journal.done("cleaned", candidate=number)
        return result

    def _work(self) -> CandidateResult:
        started, repository, paths = time.monotonic(), self._context.repository, self._paths
        self._recorder = StepRecorder(repository, paths, self._plan.testbed.known_secrets)
        self._observe(model=_name(self._worker), text=self._brief.approach.split("\n")[0][:100])
        workspace = CandidateWorkspace(self._plan, paths, cancelled=lambda: self._stop() is not None)
        try:
            workspace.set_up()
            trajectory = self._run_worker(workspace)
        except MimoError as exc:
            trajectory = trajectory_of(self._steps, StopReason.ERROR, exc.message)
        if workspace.is_tampered:
            said = "it replaced the worktree's `.git`, so its work is not judged"
            trajectory = replace(trajectory, stop_reason=StopReason.TAMPERED, summary=said)
        keep_candidate(repository, paths, self._recorder.tip)
        dropped, refused = find_dropped(repository, paths)
        return replace(
            candidate_result(repository, paths, self._brief, self._worker, trajectory, self._recorder.tip),
            strategy=self._strategy,
            dropped=(*trajectory.remarks, *dropped),
            refused=refused,
            seconds=time.monotonic() - started,
        )

    def _run_worker(self, workspace: CandidateWorkspace) -> Trajectory:
        given = self._input()
        is_answer = bool(self._steps) and any(f.after_step >= self._steps[-1].number for f in given.feedback)
        ended = None if is_answer else ended_before(given.history, strategy=self._strategy)
        if ended is not None:
            return ended
        if isinstance(self._worker, ExternalAgent):
            return self._worker(given, workspace, on_step=self._keep_step, stop=self._stop)
        return run_candidate(
            given, workspace, self._worker, strategy=self._strategy, on_step=self._keep_step, stop=self._stop
        )

    def _input(self) -> CandidateInput:
        plan, brief = self._plan, self._brief
        return CandidateInput(
            task=plan.task,
            prefix=plan.prefix,
            follows=plan.follows,
            approach=brief.approach,
            number=brief.number,
            temperature=temperature_for(brief.number),
            seed=brief.number,
            max_steps=plan.config.count("maxSteps"),
            protocol=plan.config.text("protocol"),
            command_timeout_s=plan.config.seconds("commandTimeout"),
            history=tuple(self._steps),
            feedback=brief.feedback,
        )

    def _keep_step(self, step: Step) -> Oid:
        """Commit a step, and tell of it once it is committed."""
        oid = self._recorder(step)
        self._steps.append(step)
        so_far = trajectory_of(self._steps, StopReason.FINISHED)
        spent = {"usage": so_far.usage, "cost_usd": so_far.cost_usd, "llm_calls": so_far.llm_calls}
        self._context.journal.note("step", candidate=self._brief.number, step=step.number, commit=oid, spent=spent)
        action = step.actions[-1] if step.actions else None
        about = (action.path or action.text).strip().split("\n")[0] if action else ""
        self._observe(so_far, text=f"{action.kind.value} {about}"[:100] if action else "thinking")
        return oid

    def _observe(self, so_far: Trajectory | None = None, *, model: str = "", text: str) -> None:
        self._context.observe(
            Progress(
                number=self._brief.number,
                phase="work",
                model=model,
                step=so_far.steps[-1].number if so_far else 0,
                tokens=so_far.usage.total if so_far else 0,
                cost_usd=so_far.cost_usd if so_far else 0.0,
                text=text,
            )
        )

    def _stop(self) -> StopReason | None:
        return self._context.stop_signal.reason() or (StopReason.INTERRUPTED if self._stop_file.exists() else None)


def trajectory_of(steps: Sequence[Step], reason: StopReason, summary: str = "", title: str = "") -> Trajectory:
    """Steps with what they used, as a trajectory that ended for a reason."""
    return Trajectory(
        steps=tuple(steps),
        stop_reason=reason,
        summary=summary,
        title=title,
        usage=sum((step.reply.usage for step in steps), Usage()),
        cost_usd=sum(step.reply.cost_usd or 0.0 for step in steps),
        llm_calls=len(steps),
    )


def ended_before(history: Sequence[Step], *, strategy: str) -> Trajectory | None:
    """The trajectory of a candidate whose last kept step was its end, though it was cut off before it said so."""
    if not history or strategy == "list":  # an item's end is not the work's
        return None
    last = history[-1]
    ended: Trajectory | None = None
    for action, observation in zip(last.actions, last.observations, strict=True):
        if action.kind is ActionKind.FINISH and observation.text == "accepted":
            ended = trajectory_of(history, StopReason.FINISHED, action.text, action.title)
        elif action.kind is ActionKind.GIVE_UP and observation.text == "accepted":
            ended = trajectory_of(history, StopReason.GAVE_UP, action.text)
        elif strategy == "patch" and action.kind is ActionKind.TEST and observation.exit_code == 0:
            said = f"changed {', '.join(last.changed_paths)}; the tests pass"
            ended = trajectory_of(history, StopReason.FINISHED, said)
    return ended


def keep_candidate(repository: Repository, paths: CandidatePaths, tip: Oid) -> None:
    """Keep the candidate's last commit under a private ref, which stays when its branch goes."""
    kept = ids.candidate_ref(paths.session, paths.number)
    refs.update_ref(repository, kept, tip, expected=refs.read_ref(repository, kept), reason="mimo: candidate kept")


def candidate_result(
    repository: Repository,
    paths: CandidatePaths,
    brief: Brief,
    worker: Model | ExternalAgent,
    trajectory: Trajectory,
    tip: Oid,
) -> CandidateResult:
    """What the trajectory came to, whose last commit is `tip`; `strategy` is left to who knows it."""
    return CandidateResult(
        number=paths.number,
        branch=ids.short_name(paths.branch),
        approach=brief.approach,
        model=_name(worker),
        strategy="",
        status=trajectory.stop_reason.value,
        commit=tip,
        tree=without_mimo(repository, repository.tree_of(tip)),
        steps=len(trajectory.steps),
        usage=trajectory.usage,
        cost_usd=trajectory.cost_usd,
        llm_calls=trajectory.llm_calls,
        summary=trajectory.summary,
        title=trajectory.title,
        agent=worker.adapter.name if isinstance(worker, ExternalAgent) else "mimo",
    )


def _name(worker: Model | ExternalAgent) -> str:
    return worker.model if isinstance(worker, ExternalAgent) else worker.info.name


def find_dropped(repository: Repository, paths: CandidatePaths) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Say what will be thrown away, and which files were kept out since they hold a secret; both for people.

    Call it while the candidate's worktree exists. Not noticed: files below `.mimo/` that git ignores, and what was
    changed there and changed back.
    """
    found = []
    now = snapshot.take_snapshot(repository, paths.worktree, base=paths.base, index=paths.index)
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
    product = without_mimo(repository, repository.tree_of(result.commit or base))
    before = without_mimo(repository, repository.tree_of(base))
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


class Executor:
    """Lets candidates work and judges products: in this process, a thread a candidate; `on_ray` does it elsewhere."""

    def run_candidate(
        self, context: SessionContext, plan: Plan, brief: Brief, worker: Model | ExternalAgent
    ) -> CandidateResult:
        """Let one candidate work to its end; its steps stand on its branch in the session's repository."""
        return CandidateRun(context, plan, brief, worker).run()

    def judge(self, evaluator: SessionEvaluator, number: int, product: Oid) -> Evidence:
        """Judge a candidate's product once the base was measured. CheckError when nothing could be found out."""
        return evaluator.evaluate(product)

    def close(self) -> None:
        """Stop what still runs and let go of everything; here nothing outlives a call."""
