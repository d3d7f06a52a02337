"""A different approach for each candidate, built in or planned by a model, and what the planner sees of the project."""

import re
from collections.abc import Sequence

from gitmimo.agent.interface import Feedback
from gitmimo.agent.planning import approaches_for
from gitmimo.agent.shell.observations import as_data
from gitmimo.git.repository import Repository
from gitmimo.journal import Journal
from gitmimo.records import Oid
from gitmimo.text import STOP_WORDS, cut_middle, escape_controls
from gitmimo.workflow.evaluate import SessionEvaluator
from gitmimo.workflow.models import ModelPool
from gitmimo.workflow.plan import Plan
from gitmimo.workflow.progress import Observer, Progress

_NAME = re.compile(r"`([^`\n]{2,80})`|\b([A-Za-z_]\w*(?:\.\w+)*)\(\)|\b(\w*_\w+|[a-z]+[A-Z]\w*|[A-Z][a-z]+[A-Z]\w*)\b")
_MOST_NAMES = 12
_MOST_PATHS = 150
_HITS_EACH = 6
_MOST_CHARACTERS = 12_000


def plan_approaches(
    repository: Repository,
    plan: Plan,
    models: ModelPool,
    evaluator: SessionEvaluator,
    earlier_feedback: Sequence[Feedback],
    *,
    journal: Journal,
    observe: Observer,
) -> tuple[str, ...]:
    """Ask the planning model for as many approaches as there are candidates, and keep them in the journal.

    It sees the project, and the feedback on earlier candidates. A resumed session keeps its approaches.
    """
    builtin = built_in_approaches(plan)
    before = plan.past.approaches if plan.past else ()
    if len(before) >= len(builtin):
        return before
    if not plan.plans_approaches or models.takes_turns or plan.fan_out_at_once:
        return builtin
    observe(Progress(number=0, phase="plan", text=f"planning {len(builtin)} approaches"))
    suite = evaluator.base_suite  # shown only where it was measured already
    failing = suite.result().failed if suite.done() else ()
    earlier = "\n\n".join(each.text for each in earlier_feedback)
    view = project_view(repository, plan.base, plan.task.text, failing=failing, earlier=earlier)
    model = models.metered(0, "plan")
    planned = approaches_for(len(builtin), plan.strategy, task=plan.task, model=model, project=view)
    journal.done("approaches", approaches=planned)
    return planned


def built_in_approaches(plan: Plan) -> tuple[str, ...]:
    """Those that need no model; of a resumed session the ones that it had."""
    builtin = approaches_for(plan.candidates, plan.strategy)
    before = plan.past.approaches if plan.past else ()
    return before if len(before) >= len(builtin) else builtin


def project_view(repository: Repository, base: Oid, task: str, *, failing: Sequence[str], earlier: str = "") -> str:
    """Describe the project at a commit for a task, at most some 12,000 characters of text marked as data.

    `failing` are ids of tests that fail there; `earlier` is what was said of earlier attempts.
    """
    paths = [entry.path for entry in repository.list_paths(repository.tree_of(base))]
    paths = [path for path in paths if not path.startswith(".mimo/")]
    shown = "\n".join(_listed(paths))
    parts = [f"{len(paths)} files:\n{as_data(shown)}"]
    hits = _hits(repository, base, task)
    parts += [f"Where names of the task occur:\n{as_data(hits)}"] if hits else []
    parts += [f"Tests that fail before any change: {', '.join(failing[:20])}"] if failing else []
    parts += [f"Of earlier attempts was said:\n{as_data(earlier)}"] if earlier else []
    return cut_middle("\n\n".join(parts), _MOST_CHARACTERS)


def names_in(task: str) -> tuple[str, ...]:
    """Names of code in a task, each once, in its order."""
    found = (next(filter(None, match)) for match in _NAME.findall(task))
    names = dict.fromkeys(name.strip("()").rsplit(".", 1)[-1] for name in found if name.lower() not in STOP_WORDS)
    return tuple(name for name in names if re.fullmatch(r"[A-Za-z_]\w{2,}", name))[:_MOST_NAMES]


def _listed(paths: Sequence[str]) -> list[str]:
    """The paths, or where there are too many, directories with the number of their files."""
    depth = 99
    while True:
        counted: dict[str, int] = {}
        for path in paths:
            parts = path.split("/")
            name = path if len(parts) <= depth else "/".join(parts[:depth]) + "/"
            counted[name] = counted.get(name, 0) + 1
        if len(counted) <= _MOST_PATHS or depth == 1:
            lines = [f"{name} ({count})" if name.endswith("/") else name for name, count in counted.items()]
            return [escape_controls(line, newlines=False) for line in lines[:_MOST_PATHS]]
        depth = min(depth, max(path.count("/") for path in paths) + 1) - 1


def _hits(repository: Repository, base: Oid, task: str) -> str:
    lines: list[str] = []
    for name in names_in(task):
        done = repository.run("grep", "-nwIF", "-e", name, base, "--", ".", ":!.mimo", check=False)
        found = done.stdout.decode("utf-8", "replace").splitlines()
        found.sort(key=lambda line: not re.search(r":\s*(?:def|class|func|function|fn|type|struct)\b", line))
        lines += [escape_controls(line.removeprefix(f"{base}:")[:160], newlines=False) for line in found[:_HITS_EACH]]
        lines += [f"({len(found) - _HITS_EACH} more of `{name}`)"] if len(found) > _HITS_EACH else []
    return "\n".join(lines)
