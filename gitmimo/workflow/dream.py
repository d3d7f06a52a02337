"""`git mimo dream`: what sessions taught, offered, and what was admitted on a branch; their steps squashed.

Asks no model unless one is given for names. The same sessions on the same commit give nothing new the second time.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from gitmimo import ids
from gitmimo.config import Config
from gitmimo.errors import JournalError, MimoError, UsageError
from gitmimo.git import commit, diff, refs, trees, undo_log
from gitmimo.git.gc_lock import hold_off_gc
from gitmimo.git.repository import Repository
from gitmimo.git.trees import without_mimo
from gitmimo.ids import Oid, SessionStatus, new_session_id
from gitmimo.llm.model import Model
from gitmimo.memory.change_script import write_change_script
from gitmimo.memory.changes import Change, Group, find_groups, footprint, read_changes
from gitmimo.memory.commands import distil_operation
from gitmimo.memory.draft import DRAFTED, draft_operation, draft_skill, find_doubles, name_group
from gitmimo.memory.notes import add_notes, migrate, read_notes
from gitmimo.memory.offers import (
    Learned,
    Offer,
    decline,
    keep_learned,
    learn,
    open_offers,
    read_declined,
    read_learned,
    remarks_in,
)
from gitmimo.memory.skill_file import MAX_ACTIVE, Skill, read_library, removal_of, skill_changes
from gitmimo.memory.templates import Template, find_template, other_values
from gitmimo.text import escape_controls
from gitmimo.workflow import trust
from gitmimo.workflow.evaluate import open_evaluator, plain_testbed
from gitmimo.workflow.gc import step_branches
from gitmimo.workflow.history import read_steps
from gitmimo.workflow.journals import SessionState, find_session, read_all, read_session
from gitmimo.workflow.memory_home import home_ref, memory_view, write_home
from gitmimo.workflow.scripts import run_script
from gitmimo.workflow.undo import undo, undoable


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A skill that may be admitted, with the changes it comes from and their tasks; an operation's comes from none."""

    skill: Skill
    group: Group | None = None
    tasks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Dream:
    """What can be admitted as of a commit, or what was; and the branches that go because they hold steps only."""

    at: Oid
    sessions: tuple[str, ...] = ()
    offers: tuple[Offer, ...] = ()
    drafts: tuple[Draft, ...] = ()
    doubles: tuple[str, ...] = ()  # skills of which another says the same
    squashed: tuple[undo_log.RefMove, ...] = ()
    changes: Mapping[str, bytes | None] = field(default_factory=dict)  # of files, once it was admitted

    @property
    def skills(self) -> tuple[Skill, ...]:
        """The drafts' skills."""
        return tuple(draft.skill for draft in self.drafts)

    @property
    def message(self) -> str:
        """The commit message of an admitted dream."""
        counts = (counted(self.offers, "note"), counted(self.drafts, "skill"), counted(self.doubles, "removed skill"))
        said = " and ".join(filter(None, counts)) or "bring `.mimo/` to its present form"
        lines = [*(offer.note.line for offer in self.offers), *(f"- skill {skill.name}" for skill in self.skills)]
        lines += [f"- no longer: skill {name}, another of its kind stays" for name in self.doubles]
        text = f"dream: {said}\n\n" + "\n".join(lines) + "\n"
        return commit.add_trailers(text, {"Mimo-Dream": ", ".join(self.sessions[-20:])}) if self.sessions else text


def find_dream(
    repository: Repository, config: Config, names: Sequence[str] = (), *, model: Model | None = None
) -> Dream:
    """Return what the named sessions, or all that are over, taught and that is neither admitted nor declined yet."""
    states = _finished(repository, names)
    wanted = {state.result.session for state in states}
    known = {item.session for item in read_learned(repository)}
    for state in states:
        if state.result.session not in known:
            _learn_from(repository, state)
    at = memory_view(repository, config, repository.resolve("HEAD"))
    learned = [item for item in read_learned(repository) if not names or item.session in wanted]
    return Dream(
        at=at,
        sessions=tuple(sorted(wanted)),
        offers=open_offers(repository, at, learned),
        drafts=_find_drafts(repository, at, learned, model=model),
        doubles=find_doubles(repository, at),
        squashed=tuple(move for state in states for move in step_branches(repository, state.result)),
    )


def find_migration(repository: Repository, config: Config) -> Dream:
    """Return what brings `.mimo/` of version 0.1 to the present form, as an admitted dream of no session."""
    at = memory_view(repository, config, repository.resolve("HEAD"))
    return Dream(at=at, changes=migrate(repository, at))


def admit(repository: Repository, config: Config, dream: Dream, *, ask: Callable[[str, str], bool | None]) -> Dream:
    """Put each offer to `ask` (what it is, its text): True admits, False declines for good, None leaves it for later.

    Returns what was admitted, drafts with a script where one can be proven. Notes that two sessions came to stand on
    the branch unasked: its review is the answer.
    """
    offers, drafts, declined = [], [], []
    for offer in dream.offers:
        answer = True if offer.is_confirmed else ask("note", offer.note.line)
        offers += [offer] if answer else []
        declined += [offer.note.id] if answer is False else []
    for draft in dream.drafts:
        answer = ask("skill", "\n".join(data.decode() for data in draft.skill.files.values()))
        drafts += [replace(draft, skill=_with_script(repository, config, draft))] if answer else []
        declined += [draft.skill.name] if answer is False else []
    if declined:
        decline(repository, declined)
    changes = add_notes(repository, dream.at, [offer.note for offer in offers]) if offers else {}
    for draft in drafts:
        changes |= skill_changes(draft.skill)
    for name in dream.doubles:
        changes |= removal_of(repository, dream.at, name)
    return replace(dream, offers=tuple(offers), drafts=tuple(drafts), changes=changes)


def publish(repository: Repository, config: Config, dream: Dream) -> str | None:
    """Commit an admitted dream on `mimo/dream-<id>`, or on the memory's own ref, and drop the branches of steps.

    Returns the branch or ref, None where there was nothing to commit. One undo record holds all of it.
    """
    with hold_off_gc(repository):
        moves, where = list(dream.squashed), None
        if dream.changes and (where := home_ref(config)):
            write_home(repository, config, dream.changes, dream.message)
        elif dream.changes:
            head = repository.resolve("HEAD")
            whole = trees.write_files(repository, repository.tree_of(head), dream.changes)
            where = _same_dream(repository, config, head, whole)
            if where is None:
                made = commit.write_commit(repository, tree=whole, parents=(head,), message=dream.message)
                where = f"{config.text('branchPrefix')}/dream-{new_session_id()}"
                moves.append(undo_log.RefMove(ref=ids.branch_ref(where), old=None, new=made))
        for skill in dream.skills if where else ():
            if skill.script is not None:
                trust.approve(repository, skill.digest, what=f"skill {skill.name}")  # by who said yes to it
        if moves:
            undo_log.move_recorded(repository, "dream", moves)
    return where


def undo_dream(repository: Repository) -> tuple[str, ...]:
    """Take the newest dream back, the branches of steps included, and return them; UsageError when there is none."""
    for operation in undoable(repository):
        if operation.command.startswith("dream"):
            undo(repository, id=operation.id)
            return tuple(ids.short_name(move.ref) for move in operation.moves)
    raise UsageError("there is no dream to undo", hint="git revert COMMIT   # for one that was merged")


def diff_lines(repository: Repository, dream: Dream) -> list[str]:
    """The changes of an admitted dream as a unified diff, made safe to show."""
    before = repository.tree_of(dream.at)
    text = diff.diff_text(repository, before, trees.write_files(repository, before, dream.changes))
    return escape_controls(text.decode(errors="replace")).splitlines()


def draft_from(repository: Repository, config: Config, name: str, sources: Sequence[str]) -> Skill:
    """Write a skill by hand's choice: from one or more commits or sessions, newest first.

    What all of them touch is what they share: a person says that they belong together.
    """
    at = memory_view(repository, config, repository.resolve("HEAD"))
    changes = tuple(_change_of(repository, source) for source in sources)
    learned = read_learned(repository)
    commands = {item.session: item.commands for item in learned}
    touched = [footprint(change, commands.get(change.session, ())) for change in changes]
    shared = frozenset.intersection(*touched) or touched[0]
    notes = [*read_notes(repository, at), *(note for item in learned for note in item.notes)]
    return draft_skill(Group(changes=changes, shared=tuple(sorted(shared))), notes=notes, name=name)


def say_learned(repository: Repository, config: Config) -> str:
    """One line on what a dream would offer; empty when nothing."""
    dream = find_dream(repository, config)
    found = [text for text in (counted(dream.offers, "note"), counted(dream.drafts, "draft")) if text]
    return f"learned: {', '.join(found)}; git mimo dream" if found else ""


def counted(items: Sequence[object], word: str) -> str:
    """`1 note`, `2 notes`; empty for none."""
    return f"{len(items)} {word}{'s' if len(items) != 1 else ''}" if items else ""


def _finished(repository: Repository, names: Sequence[str]) -> list[SessionState]:
    if names:
        return [read_session(repository, find_session(repository, name)) for name in names]
    over = (SessionStatus.PASSED, SessionStatus.FAILED)  # a damaged journal is an error of its own and stops no dream
    states = read_all(repository)
    return [s for s in states if s.result.status in over or s.result.merged or s.picked is not None]


def _learn_from(repository: Repository, state: SessionState) -> None:
    """Keep what a session taught: nothing without a winner, only the reason where people rejected its result."""
    result, settings = state.result, state.settings
    winner = result.winner if state.picked is None else result.candidate(state.picked)
    if winner is None or winner.evidence is None or not winner.evidence.passed:
        return
    if state.rejected:
        keep_learned(repository, learn(repository, result.session, (), base=result.base, said=[state.rejected]))
        return
    changed = [change.path for change in winner.evidence.diff.files]
    steps = read_steps(repository, result, winner)
    said = remarks_in(result.task)
    learned = learn(repository, result.session, steps, base=result.base, changed=changed, said=said)
    operation = None
    if settings.get("operation") and winner.number:
        accept, grants = (tuple(settings.get(name) or ()) for name in ("accept", "grants"))
        operation = distil_operation(steps, task=result.task, accept=accept, grants=grants)
    keep_learned(repository, replace(learned, task=result.task, operation=operation))


def _same_dream(repository: Repository, config: Config, head: Oid, whole: Oid) -> str | None:
    """The branch of an earlier dream that says the same on the same commit and waits to be merged."""
    prefix = ids.branch_ref(config.text("branchPrefix"))
    for name, tip in refs.list_refs(repository, f"{prefix}/").items():
        is_dream = name.startswith(f"{prefix}/dream-")
        if is_dream and repository.tree_of(tip) == whole and repository.resolve(f"{tip}^") == head:
            return ids.short_name(name)
    return None


def _find_drafts(
    repository: Repository, at: Oid, learned: Sequence[Learned], *, model: Model | None = None
) -> tuple[Draft, ...]:
    """Return a draft for each group of changes, and each operation, that no skill covers and that was not declined."""
    skills = read_library(repository, at).skills
    covered = tuple(commit for skill in skills for commit in skill.commits)
    taken = {*read_declined(repository), *(skill.name for skill in skills)}
    notes = [*read_notes(repository, at), *(note for item in learned for note in item.notes)]
    tasks = {item.session: item.task for item in learned if item.task}
    drafts: list[Draft] = []
    for group in find_groups(read_changes(repository, at), {item.session: item.commands for item in learned}):
        if covered and any(change.commit.startswith(covered) for change in group.changes):
            continue
        name, description = name_group(model, group) if model is not None else ("", "")
        skill = draft_skill(group, notes=notes, name=name, description=description)
        if skill.name not in taken and len(skills) + len(drafts) < MAX_ACTIVE:
            taken.add(skill.name)
            said = tuple(tasks.get(change.session) or change.subject for change in group.changes)
            drafts.append(Draft(skill=skill, group=group, tasks=said))
    known = {skill.metadata.get("git-mimo.task") for skill in skills}
    for item in reversed(learned):
        if item.operation is not None:
            skill = draft_operation(item.operation, item.session)
            if skill.metadata["git-mimo.task"] not in known and skill.name not in taken:
                known.add(skill.metadata["git-mimo.task"])
                taken.add(skill.name)
                drafts.append(Draft(skill=skill))
    return tuple(drafts)


def _change_of(repository: Repository, source: str) -> Change:
    """The change that a session landed, or a commit."""
    rev = source
    with contextlib.suppress(UsageError, JournalError):
        rev = read_session(repository, find_session(repository, source)).result.result_commit or source
    found = read_changes(repository, repository.resolve(rev), limit=1)
    if not found:
        raise UsageError(f"no change to learn from: `{source}`", hint="git log --oneline")
    return found[0]


def _with_script(repository: Repository, config: Config, draft: Draft) -> Skill:
    """Return the draft's skill, with a script where one gives each change again, and new values pass the gates."""
    group, name = draft.group, "" if DRAFTED.search(draft.skill.name) else draft.skill.name
    if group is None:
        return draft.skill
    for most in dict.fromkeys((len(group.changes), 2)):
        changes, template = group.changes[:most], find_template(draft.tasks[:most])
        script = write_change_script(repository, changes, template) if template is not None else None
        if template and script and _is_proven(repository, config, changes, template, script):
            notes, about = read_notes(repository, "HEAD"), draft.skill.description
            return draft_skill(group, notes=notes, name=name, description=about, script=script, task=template.text)
    return draft.skill


def _is_proven(
    repository: Repository, config: Config, changes: Sequence[Change], template: Template, script: str
) -> bool:
    """Whether a script gives each change again from its parent, and on the newest product new values pass the gates."""
    newest, timeout_s = changes[0].commit, config.seconds("testTimeout")
    with hold_off_gc(repository), plain_testbed(repository, config, newest, timeout_s=timeout_s) as testbed:
        for change, values in zip(changes, template.examples, strict=True):
            run = run_script(testbed, script, values, at=repository.resolve(f"{change.commit}^"))
            if run.problem or run.tree != without_mimo(repository, repository.tree_of(change.commit)):
                return False
        fresh = run_script(testbed, script, other_values(template.examples[0]), at=newest)
        if fresh.problem:
            return False
        with (
            contextlib.suppress(MimoError),
            contextlib.closing(open_evaluator(repository, config, newest, new_session_id())) as evaluator,
        ):
            evaluator.measure_base()
            return evaluator.evaluate(fresh.tree).passed
    return False
