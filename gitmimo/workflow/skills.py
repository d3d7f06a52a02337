"""Skills with a script, outside a session: proven before they are admitted, and run by hand on HEAD."""

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from gitmimo import mimo_dir, refnames
from gitmimo.config import Config
from gitmimo.errors import MimoError, NeedsPerson, UsageError
from gitmimo.git import commit, undo_log
from gitmimo.git.keep_objects import keep_objects
from gitmimo.git.repository import Repository
from gitmimo.memory.change_script import ChangeScript, write_change_script
from gitmimo.memory.changes import Change
from gitmimo.memory.draft import draft_skill
from gitmimo.memory.footprints import Group
from gitmimo.memory.notes import read_notes
from gitmimo.memory.offers import Learned
from gitmimo.memory.skill_file import Skill, read_library
from gitmimo.memory.templates import other_values
from gitmimo.records import Oid, new_session_id
from gitmimo.sandbox.probe import open_sandbox
from gitmimo.workflow import trust
from gitmimo.workflow.directories import session_directory, state_home
from gitmimo.workflow.drafts import DRAFTED, Draft
from gitmimo.workflow.evaluate import open_evaluator
from gitmimo.workflow.memory_home import memory_view
from gitmimo.workflow.scripts import ScriptRun, ScriptRunner, check_granted, read_grants


@dataclass(frozen=True, slots=True, kw_only=True)
class SkillRun:
    """What running a skill by hand came to; a branch if it changed files and every check passed."""

    run: ScriptRun
    branch: str | None = None
    commit: Oid | None = None


def run_skill(
    repository: Repository,
    config: Config,
    name: str,
    values: Mapping[str, str],
    *,
    granted: Sequence[str] = (),
    dry_run: bool = False,
) -> SkillRun:
    """Run a skill's script on HEAD's files, and its accept commands; its changes are on a branch.

    NeedsPerson when its content is not approved or it needs a grant; a script that fails is a result.
    """
    head = repository.resolve("HEAD")
    skill = read_library(repository, memory_view(repository, config, head)).get(name)
    if skill.script is None:
        raise UsageError(f"the skill has no script: `{name}`", hint=f"git mimo skill show {name}")
    if not trust.is_approved(repository, skill.digest):
        raise NeedsPerson(f"the script is not approved, or has changed since: `{name}`", hint="git mimo trust")
    check_granted(skill, granted)
    missing = [parameter for parameter in skill.parameters if not values.get(parameter)]
    unknown = [key for key in values if key not in skill.parameters]
    if missing or unknown:
        typed = " ".join(f"{parameter}=VALUE" for parameter in skill.parameters)
        problem = f"no value for {missing[0]}" if missing else f"not a variable of `{name}`: {unknown[0]}"
        raise UsageError(problem, hint=f"git mimo skill run {name} {typed}")
    accept = tuple(filter(None, [skill.metadata.get("git-mimo.accept", "")]))
    with keep_objects(repository), open_runner(repository, config) as runner:
        done = runner.run(skill.script, values, at=head, accept=accept, grants=read_grants(granted))
        base = mimo_dir.without_mimo(repository, repository.tree_of(head))
        if done.problem or dry_run or done.tree == base:
            return SkillRun(run=done)
        whole = mimo_dir.with_mimo_from(repository, done.tree, repository.tree_of(head))
        said = " ".join([name, *(f"{key}={value}" for key, value in values.items())])
        message = commit.add_trailers(f"{said}\n", {"Mimo-Skill": name})
        made = commit.write_commit(repository, tree=whole, parents=(head,), message=message)
        branch = f"{config.text('branchPrefix')}/skill-{name}-{new_session_id()}"
        move = undo_log.RefMove(ref=refnames.branch_ref(branch), old=None, new=made)
        undo_log.write_operation(repository, undo_log.new_operation_id(), command=f"skill run {name}", moves=[move])
        undo_log.apply_move(repository, move, reason=f"mimo: skill run {name}")
    return SkillRun(run=done, branch=branch, commit=made)


def prove(repository: Repository, config: Config, draft: Draft, learned: Sequence[Learned]) -> Skill:
    """Return the draft with a script where one gives each of its changes again, and new values pass the gates."""
    if draft.group is None:
        return draft.skill
    tasks = {item.session: item.task for item in learned if item.task}
    for changes in dict.fromkeys((draft.group.changes, draft.group.changes[:2])):
        said = [tasks.get(change.session) or change.subject for change in changes]
        script = write_change_script(repository, changes, said)
        if script is not None and _holds(repository, config, changes, script):
            return draft_skill(
                Group(changes=draft.group.changes, shared=draft.group.shared),
                notes=read_notes(repository, "HEAD"),
                name="" if DRAFTED.search(draft.skill.name) else draft.skill.name,
                description=draft.skill.description,
                script=script.text,
                metadata={"git-mimo.task": script.template.text},
            )
    return draft.skill


@contextlib.contextmanager
def open_runner(repository: Repository, config: Config) -> Iterator[ScriptRunner]:
    """A runner outside a session."""
    sandbox = open_sandbox(
        config.text("sandbox"),
        hidden=(repository.common_dir, state_home()),
        readable=(repository.common_dir / "objects",),
        environ=dict(os.environ),
    )
    place = session_directory(repository, new_session_id(), root=config.text("worktreeDir"))
    try:
        yield ScriptRunner(
            repository=repository, sandbox=sandbox, scratch=place, timeout_s=config.seconds("testTimeout")
        )
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _holds(repository: Repository, config: Config, changes: Sequence[Change], script: ChangeScript) -> bool:
    """Whether a script gives each change again from its parent, and on the newest product new values pass the gates."""
    with keep_objects(repository), open_runner(repository, config) as runner:
        for change, values in zip(changes, script.template.examples, strict=True):
            run = runner.run(script.text, values, at=repository.resolve(f"{change.commit}^"))
            if run.problem or run.tree != mimo_dir.without_mimo(repository, repository.tree_of(change.commit)):
                return False
        newest = changes[0].commit
        fresh = runner.run(script.text, other_values(script.template.examples[0]), at=newest)
        if fresh.problem:
            return False
        with (
            contextlib.suppress(MimoError),
            contextlib.closing(open_evaluator(repository, config, newest, new_session_id())) as evaluator,
        ):
            evaluator.measure_base()
            return evaluator.evaluate(fresh.tree).passed
    return False
