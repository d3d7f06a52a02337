"""What a session is to do, who is next, what its planner and its critic see, and what candidates hear of both."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from gitmimo.agent.interface import Feedback
from gitmimo.agent.shell.opening import ask_for_approaches
from gitmimo.behaviour import BehaviourReport
from gitmimo.config import Config
from gitmimo.evaluator.baseline import Baseline
from gitmimo.evaluator.critic import Critic, Submission
from gitmimo.evaluator.testbed import TestBed
from gitmimo.evaluator.verdict import rank_without_critic
from gitmimo.evidence import CandidateFacts, CriticOpinion, Evidence, Verdict
from gitmimo.git import diff
from gitmimo.git.repository import Repository
from gitmimo.ids import Oid
from gitmimo.records import CandidateResult, StopReason, Task
from gitmimo.text import STOP_WORDS, as_data, cut_middle, escape_controls
from gitmimo.workflow.evaluate import SessionEvaluator
from gitmimo.workflow.history import Past
from gitmimo.workflow.models import ModelPool
from gitmimo.workflow.progress import Progress, SessionContext
from gitmimo.workflow.scripts import Grants

_PASSED = 1_000_000  # more than any number of tests
_PATIENCE = {"low": 1, "normal": 2}  # candidates that bring nothing until no other is paid; all at high effort
_NAME = re.compile(r"`([^`\n]{2,80})`|\b([A-Za-z_]\w*(?:\.\w+)*)\(|\b(\w*_\w+|[a-z]+[A-Z]\w*|[A-Z][a-z]+[A-Z]\w*)\b")
_MOST_NAMES = 12
_MOST_PATHS = 150
_HITS_EACH = 6
_MOST_CHARACTERS = 12_000
_CONTEXT_LINES = 25  # around each hunk: what a change is part of
_MOST_OUTPUT = 3_000
_MOST_EARLIER = 3  # candidates that the next round hears about
_MOST_OF_ONE = 1_500


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything a session needs to know before it starts."""

    task: Task
    base: Oid
    target_branch: str | None
    config: Config
    testbed: TestBed  # the sandbox, and how the project is set up and tested
    evaluator: SessionEvaluator | None = None  # knows the base's tests; not where candidates work on other machines
    grants: Grants = Grants()  # what a person lets an operation's commands reach outside the worktree
    prefix: str = ""  # rules and memory: the stable beginning of every candidate's prompt
    follows: tuple[str, ...] = ()  # changes of this kind, which the skill that fits the task names
    candidates: int = 1
    effort: str = "normal"  # low, normal or high: see `is_futile`
    worktree_root: str = ""  # where a Ray worker makes its worktrees; elsewhere the state directory
    past: Past | None = None  # what was reached before, when the session is resumed


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """What one candidate gets besides the task: its approach, and the feedback on work that was judged."""

    number: int
    approach: str
    feedback: tuple[Feedback, ...] = ()
    goes_on: bool = False  # after the steps that are on its branch


def next_round(
    candidates: int, done: Collection[int], *, rungs: int = 1, at_once: bool = False, one_at_a_time: bool = False
) -> tuple[int, ...]:
    """The candidates that start together after those that are `done`; none when there are no more.

    One on each rung of the ladder of models, then all that are left. `one_at_a_time`: where they would only wait for
    each other, and where a product has passed, whose verdict a second one may settle.
    """
    left = tuple(number for number in range(1, candidates + 1) if number not in done)
    if at_once or not left:
        return left
    return left[:1] if one_at_a_time or left[0] <= max(1, rungs - 1) else left


def is_futile(plan: Plan, results: Mapping[int, CandidateResult], models: Collection[str]) -> bool:
    """Whether another candidate is not worth it: the last ones brought nothing that an earlier one had not.

    What counts is a product that passed, or more failing tests fixed than before. Nor is it where every one of the
    `models` was asked and none answered at all: a wrong key, an unknown name, no server.
    """
    tried = results.values()
    silent = all(r.status == StopReason.ERROR and not r.usage.total and r.agent == "mimo" for r in tried)
    if results and silent and {*models} <= {result.model for result in tried}:
        return True
    evidence = [results[number].evidence for number in sorted(results) if number]
    gains = [len(each.fixed_ids) + _PASSED * each.passed if each else 0 for each in evidence]
    patience = _PATIENCE.get(plan.effort, plan.candidates)
    recent, best = gains[-patience:], max(gains[:-patience], default=0)
    return patience <= len(gains) < plan.candidates and max(recent) <= best


def plan_approaches(
    context: SessionContext, plan: Plan, models: ModelPool, earlier: Sequence[Feedback]
) -> tuple[str, ...]:
    """Ask the planning model for as many approaches as there are candidates, and keep them in the journal.

    None where nobody is asked: a small model, the strategy `patch`, candidates that take turns or all start at once.
    """
    model = models.of_phases.get("plan")
    in_turn = models.takes_turns or plan.config.text("fanout") == "all" or plan.config.text("strategy") == "patch"
    if model is None or model.info.is_small or in_turn:
        return ()
    context.observe(Progress(number=0, phase="plan", text=f"planning {plan.candidates} approaches"))
    suite = plan.evaluator.base_suite if plan.evaluator else None  # told only where it was measured already
    said = "\n\n".join(each.text for each in earlier)
    failing = suite.failed if suite is not None else ()
    view = project_view(context.repository, plan.base, plan.task.text, failing=failing, earlier=said)
    planned = ask_for_approaches(plan.candidates, plan.task, models.metered(0, "plan"), view)
    context.journal.done("approaches", approaches=planned)
    return planned


def project_view(repository: Repository, base: Oid, task: str, *, failing: Sequence[str], earlier: str = "") -> str:
    """Describe the project at a commit for a planner, at most some 12,000 characters of text marked as data.

    `failing` are ids of tests that fail there; `earlier` is what was said of earlier attempts.
    """
    paths = [entry.path for entry in repository.list_paths(repository.tree_of(base))]
    paths = [path for path in paths if not path.startswith(".mimo/")]
    shown = "\n".join(overview(paths, _MOST_PATHS)[:_MOST_PATHS])
    parts = [f"{len(paths)} files:\n{as_data(shown)}"]
    hits = [line for name in names_in(task) for line in _hits(repository, base, name)]
    parts += ["Where names of the task occur:\n" + as_data("\n".join(hits))] if hits else []
    parts += [f"Tests that fail before any change: {', '.join(failing[:20])}"] if failing else []
    parts += [f"Of earlier attempts was said:\n{as_data(earlier)}"] if earlier else []
    return cut_middle("\n\n".join(parts), _MOST_CHARACTERS)


def names_in(task: str) -> tuple[str, ...]:
    """Names of code in a task, each once, in its order: what is quoted, called, or written as names are."""
    found = (next(filter(None, match)).strip("()").rsplit(".", 1)[-1] for match in _NAME.findall(task))
    names = dict.fromkeys(name for name in found if re.fullmatch(r"[A-Za-z_]\w{2,}", name))
    return tuple(name for name in names if name.lower() not in STOP_WORDS)[:_MOST_NAMES]


def _hits(repository: Repository, base: Oid, name: str) -> list[str]:
    """Where a name occurs in a commit's files, definitions first."""
    done = repository.run("grep", "-nwIF", "-e", name, base, "--", ".", ":!.mimo", check=False)
    found = done.stdout.decode("utf-8", "replace").splitlines()
    found.sort(key=lambda line: not re.search(r":\s*(?:def|class|func|function|fn|type|struct)\b", line))
    lines = [escape_controls(line.removeprefix(f"{base}:")[:160], newlines=False) for line in found[:_HITS_EACH]]
    return [*lines, *([f"({len(found) - _HITS_EACH} more of `{name}`)"] if len(found) > _HITS_EACH else [])]


def overview(paths: Sequence[str], most: int) -> list[str]:
    """The paths of a tree, or where there are too many, directories with the number of their files."""
    depth = max((path.count("/") for path in paths), default=0) + 1
    while True:
        counted: dict[str, int] = {}
        for path in paths:
            parts = path.split("/")
            name = path if len(parts) <= depth else "/".join(parts[:depth]) + "/"
            counted[name] = counted.get(name, 0) + 1
        if len(counted) <= most or depth == 1:
            lines = [f"{name} ({count})" if name.endswith("/") else name for name, count in counted.items()]
            lines.sort(key=lambda line: not line.endswith(")"))  # directories first
            return [escape_controls(line, newlines=False) for line in lines]
        depth -= 1


class Reviewer:
    """Asks the critic, where there is one. What it said once of a product is not asked again."""

    def __init__(self, repository: Repository, plan: Plan, models: ModelPool) -> None:
        self._repository = repository
        self._plan = plan
        self._models = models
        self._critic: Critic | None = None

    def review(
        self,
        passing: Mapping[int, Evidence],
        behaviour: BehaviourReport | None,
        baseline: Baseline,
        workers: Collection[str],
    ) -> CriticOpinion | None:
        """The critic's opinion on candidates that passed; None without a critic. `workers` are the models at work."""
        name = self._models.critic_name
        if not name or not passing:
            return None
        if self._critic is None:
            model = self._models.metered(0, "critic")
            self._critic = Critic(
                model,
                task=self._plan.task.text,
                rules=self._plan.prefix,
                base_output=baseline.report.output if baseline.failed_ids else "",
                is_self_review=name in workers,
                is_brief=model.info.is_small,
            )
        facts = [CandidateFacts(number=number, evidence=evidence) for number, evidence in sorted(passing.items())]
        order = rank_without_critic(facts, behaviour)
        return self._critic.review({number: self._submission(passing[number], behaviour) for number in order})

    def _submission(self, evidence: Evidence, behaviour: BehaviourReport | None) -> Submission:
        found = behaviour.of(evidence.tested_tree) if behaviour else None
        base = self._repository.tree_of(self._plan.base)
        text = diff.diff_text(self._repository, base, evidence.landed_tree, context=_CONTEXT_LINES)
        return Submission(
            diff=text.decode("utf-8", "replace"),
            evidence=evidence,
            differences=found.differences if found else (),
            not_compared=behaviour.problem if behaviour else "not compared",
        )


def gate_feedback(result: CandidateResult) -> Feedback | None:
    """What the gates said against a candidate's product, for the same candidate; None when they said nothing."""
    evidence = result.evidence
    if evidence is None or not evidence.failed_gates:
        return None
    text = (
        f"Your change was judged in a fresh checkout, with the tests as they are in the base commit, and refused.\n"
        f"{_gates(evidence)}\n\nYour work stands as you left it. Go on from there, and finish again."
    )
    return Feedback(text=text, after_step=result.steps)


def critic_feedback(result: CandidateResult, verdict: Verdict) -> Feedback | None:
    """What the critic said against a candidate that passed; None when it was not rejected."""
    remarks = _remarks(result.number, verdict)
    if not remarks:
        return None
    text = (
        f"Your change passed every test, and a reviewer rejected it.\n{remarks}\n\n"
        "Your work stands as you left it. Where the reviewer is right, go on from there; then finish again."
    )
    return Feedback(text=text, after_step=result.steps)


def feedback_for_next_round(results: Mapping[int, CandidateResult], verdict: Verdict | None) -> tuple[Feedback, ...]:
    """Feedback on earlier candidates for the next ones: the objections only, not what they did."""
    found = []
    for number, result in sorted(results.items()):
        evidence = result.evidence
        if evidence is not None and evidence.failed_gates:
            said = _gates(evidence)
        else:
            said = _remarks(number, verdict) if verdict else ""
        if verdict and verdict.winner == number and not said:
            said = _strange(verdict)
        if result.status == StopReason.GAVE_UP and result.summary:
            said = f"- it gave up: {result.summary}"
        if said:
            found.append(Feedback(text=f"An earlier attempt was not accepted:\n{said[:_MOST_OF_ONE]}"))
    return tuple(found[-_MOST_EARLIER:])


def _gates(evidence: Evidence) -> str:
    lines = [f"- {gate.name}: {gate.detail or gate.outcome.value}" for gate in evidence.failed_gates]
    output = evidence.output.strip()[-_MOST_OUTPUT:]
    return "\n".join([*lines, *(["End of the output:", output] if output else [])])


def _remarks(number: int, verdict: Verdict) -> str:
    critic = verdict.critic
    if critic is None or number not in critic.rejected:
        return ""
    own: Sequence[str] = [
        f"- {key.partition(':')[2] or 'in all'}: {text}"
        for key, text in critic.comments.items()
        if key.partition(":")[0] == str(number)
    ]
    return "\n".join(own) or "- it gave no reason"


def _strange(verdict: Verdict) -> str:
    """Answers that changed without need. That a second candidate is wanted is no reason to tell it anything."""
    behaviour = [doubt for doubt in verdict.doubts if doubt.startswith("it ")]
    return "\n".join(f"- {doubt}" for doubt in behaviour)
