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
from gitmimo.memory.commands import Operation, distil_operation
from gitmimo.memory.draft import DRAFTED, draft_operation, draft_skill, find_doubles, name_group
from gitmimo.memory.legacy import migrate
from gitmimo.memory.notes import Note, NoteKind, add_notes, read_notes
from gitmimo.memory.offers import (
    Learned,
    Offer,
    decline,
    is_specific,
    keep_learned,
    learn,
    open_offers,
    read_declined,
    read_learned,
    remarks_in,
)
from gitmimo.memory.skill_file import MAX_ACTIVE, Skill, read_library, removal_of, skill_changes
from gitmimo.memory.templates import Template, find_template, other_values
from gitmimo.records import CandidateResult, SessionResult, Step
from gitmimo.text import escape_controls
from gitmimo.workflow import trust
from gitmimo.workflow.evaluate import open_evaluator, plain_testbed
from gitmimo.workflow.gc import step_branches
from gitmimo.workflow.history import read_steps
from gitmimo.workflow.journals import SessionState, find_session, read_all, read_session
from gitmimo.workflow.memory_home import home_ref, memory_view, write_home
from gitmimo.workflow.scripts import run_script
from gitmimo.workflow.undo import undo, undoable

Changes = dict[str, bytes | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A skill to be admitted, with the changes that it comes from; an operation's comes from none."""

    skill: Skill
    group: Group | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dream:
    """What can be admitted as of a commit, and the removals of branches that hold nothing but steps."""

    at: Oid
    sessions: tuple[str, ...] = ()
    offers: tuple[Offer, ...] = ()
    drafts: tuple[Draft, ...] = ()
    learned: tuple[Learned, ...] = ()
    squashed: tuple[undo_log.RefMove, ...] = ()
    doubles: tuple[str, ...] = ()  # skills of which another says the same


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """What was said yes to, as notes, skills and the files they make."""

    notes: tuple[Note, ...] = ()
    skills: tuple[Skill, ...] = ()
    removed: tuple[str, ...] = ()  # names of skills of which another says the same
    changes: Changes = field(default_factory=dict)

    @property
    def message(self) -> str:
        """The dream's commit message."""
        parts = [counted(self.notes, "note"), counted(self.skills, "skill"), counted(self.removed, "removed skill")]
        lines = [*(note.line for note in self.notes), *(f"- skill {skill.name}" for skill in self.skills)]
        lines += [f"- no longer: skill {name}, another of its kind stays" for name in self.removed]
        said = " and ".join(filter(None, parts)) or "bring `.mimo/` to its present form"
        return f"dream: {said}\n\n" + "\n".join(lines) + "\n"


def find_dream(
    repository: Repository, config: Config, names: Sequence[str] = (), *, model: Model | None = None
) -> Dream:
    """Return what the named sessions, or all that are over, taught and that is neither admitted nor declined yet."""
    states = _finished(repository, names)
    wanted = {state.result.session for state in states}
    known = {item.session for item in read_learned(repository)}
    fresh = [state for state in states if state.result.session not in known]
    for state in fresh:
        learn_from(repository, state)
    at = memory_view(repository, config, repository.resolve("HEAD"))
    learned = [item for item in read_learned(repository) if not names or item.session in wanted]
    moves = [move for state in states for move in step_branches(repository, state.result)]
    return Dream(
        at=at,
        sessions=tuple(sorted(wanted)),
        offers=open_offers(repository, at, learned),
        drafts=find_drafts(repository, at, learned, model=model),
        learned=tuple(learned),
        squashed=tuple(moves),
        doubles=find_doubles(repository, at),
    )


def learn_from(repository: Repository, state: SessionState) -> None:
    """Keep what a session taught: nothing without a winner, only the reason where people rejected its result."""
    result = state.result
    winner = _winner(result, state.picked)
    if winner is None:
        return
    if state.rejected:
        said = [(NoteKind.RULE, state.rejected)] if is_specific(state.rejected) else []
        learned = learn(repository, result.session, (), base=result.base, said=said)
    else:
        changed = [change.path for change in winner.evidence.diff.files] if winner.evidence else []
        steps = read_steps(repository, result, winner)
        said = [(NoteKind.RULE, remark) for remark in remarks_in(result.task) if is_specific(remark)]
        learned = learn(repository, result.session, steps, base=result.base, changed=changed, said=said)
        operation = _operation_of(state, winner, steps)
        learned = replace(learned, task=result.task, operation=operation)
    keep_learned(repository, learned)


def find_migration(repository: Repository, config: Config) -> tuple[Dream, Admitted]:
    """Return what brings `.mimo/` of version 0.1 to the present form; a dream of no session."""
    at = memory_view(repository, config, repository.resolve("HEAD"))
    return Dream(at=at), Admitted(changes=migrate(repository, at))


def admit(repository: Repository, config: Config, dream: Dream, *, ask: Callable[[str, str], bool | None]) -> Admitted:
    """Put each offer to `ask` (what it is, its text): True admits, False declines for good, None leaves it for later.

    Notes that two sessions came to stand on the branch unasked: its review is the answer. An admitted draft gets its
    script, where one can be proven.
    """
    notes, skills, declined = [], [], []
    for offer in dream.offers:
        answer = True if offer.is_confirmed else ask("note", offer.note.line)
        notes += [offer.note] if answer else []
        declined += [offer.note.id] if answer is False else []
    for draft in dream.drafts:
        answer = ask("skill", "\n".join(data.decode() for data in draft.skill.files.values()))
        skills += [_with_script(repository, config, draft, dream.learned)] if answer else []
        declined += [draft.skill.name] if answer is False else []
    if declined:
        decline(repository, declined)
    admitted = Admitted(notes=tuple(notes), skills=tuple(skills), removed=dream.doubles)
    return with_changes(repository, dream.at, admitted)


def with_changes(repository: Repository, at: Oid, admitted: Admitted) -> Admitted:
    """Add the files that the notes and skills make."""
    changes: Changes = {}
    if admitted.notes:
        changes = add_notes(repository, at, admitted.notes)
    for skill in admitted.skills:
        changes |= skill_changes(skill)
    for name in admitted.removed:
        changes |= removal_of(repository, at, name)
    changes = {path: data for path, data in changes.items() if repository.read_blob(at, path) != data}
    return replace(admitted, changes=changes)


def publish(repository: Repository, config: Config, dream: Dream, admitted: Admitted) -> str | None:
    """Commit what was admitted on `mimo/dream-<id>`, or on the memory's own ref, and drop the branches of steps.

    Returns the branch or ref, None where there was nothing to commit. One undo record holds all of it.
    """
    with hold_off_gc(repository):
        moves = list(dream.squashed)
        where = None
        if admitted.changes and home_ref(config) is not None:
            write_home(repository, config, admitted.changes, _message(dream, admitted))
            where = home_ref(config)
        elif admitted.changes:
            head = repository.resolve("HEAD")
            whole = trees.write_files(repository, repository.tree_of(head), admitted.changes)
            made = commit.write_commit(repository, tree=whole, parents=(head,), message=_message(dream, admitted))
            where = _same_dream(repository, config, head, whole)
            if where is None:
                where = f"{config.text('branchPrefix')}/dream-{new_session_id()}"
                moves.append(undo_log.RefMove(ref=ids.branch_ref(where), old=None, new=made))
        for skill in admitted.skills if where else ():
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


def diff_lines(repository: Repository, at: Oid, changes: Mapping[str, bytes | None]) -> list[str]:
    """The changes as a unified diff, made safe to show."""
    before = repository.tree_of(at)
    text = diff.diff_text(repository, before, trees.write_files(repository, before, changes))
    return escape_controls(text.decode(errors="replace")).splitlines()


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


def _operation_of(state: SessionState, winner: CandidateResult, steps: Sequence[Step]) -> Operation | None:
    if not state.settings.get("operation") or winner.number == 0:
        return None
    accept, grants = (tuple(state.settings.get(name) or ()) for name in ("accept", "grants"))
    return distil_operation(steps, task=state.result.task, accept=accept, grants=grants)


def _winner(result: SessionResult, picked: int | None) -> CandidateResult | None:
    found = result.winner if picked is None else result.candidate(picked)
    return found if found is not None and found.evidence is not None and found.evidence.passed else None


def _same_dream(repository: Repository, config: Config, head: Oid, whole: Oid) -> str | None:
    """The branch of an earlier dream that says the same on the same commit and waits to be merged."""
    prefix = ids.branch_ref(config.text("branchPrefix"))
    for name, tip in refs.list_refs(repository, f"{prefix}/").items():
        is_dream = name.startswith(f"{prefix}/dream-")
        if is_dream and repository.tree_of(tip) == whole and repository.resolve(f"{tip}^") == head:
            return ids.short_name(name)
    return None


def _message(dream: Dream, admitted: Admitted) -> str:
    if not dream.sessions:
        return admitted.message
    return commit.add_trailers(admitted.message, {"Mimo-Dream": ", ".join(dream.sessions[-20:])})


def find_drafts(
    repository: Repository, at: Oid, learned: Sequence[Learned], *, model: Model | None = None
) -> tuple[Draft, ...]:
    """Return a draft for each group of changes, and each operation, that no skill covers and that was not declined."""
    skills = read_library(repository, at).skills
    covered = {short for skill in skills for short in skill.commits}
    declined, taken = read_declined(repository), {skill.name for skill in skills}
    notes = [*read_notes(repository, at), *(note for item in learned for note in item.notes)]
    commands = {item.session: item.commands for item in learned}
    drafts: list[Draft] = []
    for group in find_groups(read_changes(repository, at), commands):
        if any(change.commit.startswith(tuple(covered)) for change in group.changes) and covered:
            continue
        name, description = name_group(model, group) if model is not None else ("", "")
        draft = draft_skill(group, notes=notes, name=name, description=description)
        if draft.name not in taken and draft.name not in declined and len(taken) < MAX_ACTIVE:
            taken.add(draft.name)
            drafts.append(Draft(skill=draft, group=group))
    known = {skill.metadata.get("git-mimo.task") for skill in skills}
    for item in reversed(learned):
        if item.operation is None:
            continue
        draft = draft_operation(item.operation, item.session)
        if draft.metadata["git-mimo.task"] not in known and draft.name not in {*taken, *declined}:
            known.add(draft.metadata["git-mimo.task"])
            taken.add(draft.name)
            drafts.append(Draft(skill=draft))
    return tuple(drafts)


def draft_from(repository: Repository, config: Config, name: str, sources: Sequence[str]) -> Skill:
    """Write a skill by hand's choice: from one or more commits or sessions, newest first."""
    at = memory_view(repository, config, repository.resolve("HEAD"))
    changes = [_change_of(repository, source) for source in sources]
    learned = read_learned(repository)
    commands = {item.session: item.commands for item in learned}
    groups = find_groups(changes, commands)
    if groups and len(groups[0].changes) == len(changes):
        group = groups[0]
    else:  # a person says that they belong together: what all of them touch is what they share
        patterns = [set(footprint(change, commands.get(change.session, ()))) for change in changes]
        group = Group(changes=tuple(changes), shared=tuple(sorted(set.intersection(*patterns) or patterns[0])))
    notes = [*read_notes(repository, at), *(note for item in learned for note in item.notes)]
    return draft_skill(group, notes=notes, name=name)


def _change_of(repository: Repository, source: str) -> Change:
    """The change that a session landed, or a commit."""
    rev = source
    with contextlib.suppress(UsageError, JournalError):
        rev = read_session(repository, find_session(repository, source)).result.result_commit or source
    found = read_changes(repository, repository.resolve(rev), limit=1)
    if not found:
        raise UsageError(f"no change to learn from: `{source}`", hint="git log --oneline")
    return found[0]


def _with_script(repository: Repository, config: Config, draft: Draft, learned: Sequence[Learned]) -> Skill:
    """Return the draft with a script where one gives each of its changes again, and new values pass the gates."""
    if draft.group is None:
        return draft.skill
    tasks = {item.session: item.task for item in learned if item.task}
    for changes in dict.fromkeys((draft.group.changes, draft.group.changes[:2])):
        template = find_template([tasks.get(change.session) or change.subject for change in changes])
        script = write_change_script(repository, changes, template) if template is not None else None
        if template and script and _is_proven(repository, config, changes, template, script):
            name, description = draft.skill.name, draft.skill.description
            return draft_skill(
                draft.group,
                notes=read_notes(repository, "HEAD"),
                name="" if DRAFTED.search(name) else name,
                description=description,
                script=script,
                task=template.text,
            )
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
