"""Skills used by hand: carried out onto a branch of their own, verified again, or written anew."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gitmimo.config import Config
from gitmimo.errors import NeedsPerson, UsageError
from gitmimo.git import commit, ops, refs, tree
from gitmimo.git.holding import hold_objects
from gitmimo.git.repository import Repository
from gitmimo.memory.dream import DreamResult, dream
from gitmimo.memory.judgements import find_reverted_sessions, judge_sessions
from gitmimo.memory.library import confirm, quarantine, read_library
from gitmimo.memory.material import SessionMaterial
from gitmimo.memory.outcomes import Label
from gitmimo.memory.replay import Admission, Bench, Replay, replay
from gitmimo.memory.replay import verify_skill as replay_twice
from gitmimo.memory.skill_file import Skill
from gitmimo.memory.store import Changes
from gitmimo.records import Oid, new_session_id, utc_now
from gitmimo.redact import known_secrets
from gitmimo.results import SessionStatus
from gitmimo.sandbox.probe import open_sandbox
from gitmimo.workflow import trust
from gitmimo.workflow.evidence_notes import outcomes_by_session
from gitmimo.workflow.history import SessionState, find_session, read_all, read_session
from gitmimo.workflow.models import open_models
from gitmimo.workflow.places import session_directory, state_home


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """What carrying out a skill by hand came to; without a branch nothing was published."""

    replay: Replay
    branch: str | None = None
    commit: Oid | None = None


def replay_bench(repository: Repository, config: Config) -> Bench:
    """A bench for replays outside a session."""
    sandbox = open_sandbox(
        config.text("sandbox"),
        hidden=(repository.common_dir, state_home()),
        readable=(repository.common_dir / "objects",),
    )
    place = session_directory(repository, new_session_id(), root=config.text("worktreeDir"))
    return Bench(repository=repository, sandbox=sandbox, scratch=place)


def run_skill(
    repository: Repository, config: Config, name: str, parameters: Mapping[str, str], *, dry_run: bool
) -> Carried:
    """Carry a skill out on HEAD in a scratch tree and put the result on a branch `mimo/skill-<name>-<id>`.

    NeedsPerson when the skill's content is not approved; a replay that fails is a result and publishes nothing.
    """
    with hold_objects(repository):
        return _carry_out(repository, config, name, parameters, dry_run=dry_run)


def _carry_out(
    repository: Repository, config: Config, name: str, parameters: Mapping[str, str], *, dry_run: bool
) -> Carried:
    head = repository.resolve("HEAD")
    skill = read_library(repository, head).get(name)
    if skill.procedure is None:
        raise UsageError(f"the skill has no procedure to run: `{name}`", hint=f"git mimo skill show {name}")
    if not trust.is_approved(repository, skill.digest):
        raise NeedsPerson(f"the skill is not approved, or has changed since: `{name}`", hint="git mimo trust")
    values = dict(skill.procedure.examples[0].parameters) if skill.procedure.examples else {}
    done = replay(replay_bench(repository, config), skill.procedure, values | dict(parameters), commit=head)
    if not done.ok or done.tree is None or dry_run:
        return Carried(replay=done)
    whole = tree.with_mimo_from(repository, done.tree, repository.tree_of(head))
    message = f"{skill.description.splitlines()[0][:72]}\n\nCarried out by the skill {name}, without a model.\n"
    made = commit.write_commit(repository, tree=whole, parents=(head,), message=message)
    branch = f"{config.text('branchPrefix')}/skill-{name}-{new_session_id()}"
    _publish(repository, branch, made, command=f"skill run {name}")
    return Carried(replay=done, branch=branch, commit=made)


def verify_skill(repository: Repository, config: Config, name: str) -> tuple[Admission, Changes]:
    """Replay a skill twice, on HEAD or where it came from; give the change of its standing.

    Where its preconditions hold nowhere nothing is known, and the standing stays.
    """
    head = repository.resolve("HEAD")
    skill = read_library(repository, head).get(name)
    if skill.procedure is None:
        raise UsageError(f"the skill has no procedure to verify: `{name}`")
    if not trust.is_approved(repository, skill.digest):
        raise NeedsPerson(f"the skill is not approved, or has changed since: `{name}`", hint="git mimo trust")
    found = replay_twice(replay_bench(repository, config), skill, commit=head)
    if found.admitted:
        return found, confirm(skill, now=utc_now())
    return found, {} if found.is_unmet else quarantine(skill, found.reason)


def dream_over(
    repository: Repository, config: Config, names: Sequence[str], *, everything: bool, with_model: bool, dry_run: bool
) -> tuple[DreamResult, str | None]:
    """Dream over sessions as of HEAD; what was learned goes to a branch `mimo/dream-<id>` to be reviewed and merged.

    Without names: the newest session that passed, or with `everything` all of them.
    """
    with hold_objects(repository):
        return _dream_over(repository, config, names, everything=everything, with_model=with_model, dry_run=dry_run)


def _dream_over(
    repository: Repository, config: Config, names: Sequence[str], *, everything: bool, with_model: bool, dry_run: bool
) -> tuple[DreamResult, str | None]:
    head = repository.resolve("HEAD")
    if names:
        states = [read_session(repository, find_session(repository, name)) for name in names]
    else:  # a damaged journal is an error of its own and stops no dream
        states = list(read_all(repository))
        states = [s for s in states if s.result.status is SessionStatus.PASSED or s.picked is not None]
        states = states if everything else states[:1]
    labels = _labels(repository, head, states)
    judged = judge_sessions(repository, head, labels, now=utc_now())
    pool = open_models(repository, config, new_session_id()) if with_model else None
    try:
        found = dream(
            repository,
            [
                SessionMaterial(result=state.result, labels=labels.get(state.result.session, ()), picked=state.picked)
                for state in states
            ],
            commit=tree.put_files(repository, repository.tree_of(head), judged) if judged else head,
            bench=replay_bench(repository, config),
            now=utc_now(),
            model=pool.metered(0, "dream") if pool else None,
            known=known_secrets(os.environ),
        )
    finally:
        if pool:
            pool.close()
    if judged:
        message = found.message or "dream: note what became of sessions\n"
        found = replace(found, changes={**judged, **found.changes}, message=message, nothing_because="")
    if found.is_empty or dry_run:
        return found, None
    for learned in found.learned:
        if learned.skill is not None:
            trust.approve(repository, learned.skill.digest, what=f"skill {learned.skill.name}")
    whole = tree.put_files(repository, repository.tree_of(head), found.changes)
    message = commit.add_trailers(found.message, {"Mimo-Dream": ", ".join(state.result.session for state in states)})
    made = commit.write_commit(repository, tree=whole, parents=(head,), message=message)
    branch = f"{config.text('branchPrefix')}/dream-{new_session_id()}"
    _publish(repository, branch, made, command="dream")
    return found, branch


def _labels(repository: Repository, head: Oid, states: Sequence[SessionState]) -> dict[str, tuple[Label, ...]]:
    """What people did with sessions' results, from notes, journals and git's own history."""
    found: dict[str, set[Label]] = {}
    for session, outcomes in outcomes_by_session(repository).items():
        found[session] = {Label(outcome.label) for outcome in outcomes if outcome.label in list(Label)}
    for state in states:
        if state.result.merged and state.picked is None:
            found.setdefault(state.result.session, set()).add(Label.MERGED)
    for reverted in find_reverted_sessions(repository, head):
        found.setdefault(reverted, set()).add(Label.REVERTED)
    return {session: tuple(sorted(labels)) for session, labels in found.items()}


def undo_dream(repository: Repository) -> str:
    """Take the newest dream's branch back; UsageError when there is none, or it was merged."""
    for operation in ops.list_operations(repository):
        if operation.command == "dream":
            branch = refs.short_name(operation.moves[0].ref)
            if refs.read_ref(repository, operation.moves[0].ref) is None:
                continue
            ops.undo_operation(repository, operation.id, undo_id=f"undo-{new_session_id()}")
            return branch
    raise UsageError("there is no dream to undo", hint="git revert COMMIT   # for one that was merged")


def _publish(repository: Repository, branch: str, made: Oid, *, command: str) -> None:
    move = ops.RefMove(ref=refs.branch_ref(branch), old=None, new=made)
    ops.write_operation(repository, new_session_id(), command=command, moves=[move])
    ops.apply_move(repository, move, reason=f"mimo: {command}")


def parse_parameters(texts: Sequence[str], skill: Skill) -> dict[str, str]:
    """Read `name=value` texts; UsageError for a name that the skill doesn't have."""
    known = {parameter.name for parameter in skill.procedure.parameters} if skill.procedure else set()
    values = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or name not in known:
            raise UsageError(
                f"not a parameter of `{skill.name}`: `{text}`; it takes {', '.join(sorted(known)) or 'none'}",
                hint=f"git mimo skill run {skill.name} -p NAME=VALUE" if known else "",
            )
        values[name] = value
    return values
