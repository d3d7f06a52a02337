"""Taking back what commands moved: refs, and with consent the checkout, one operation after the other."""

import contextlib
import re
from dataclasses import dataclass, replace
from pathlib import Path

from gitmimo import ids
from gitmimo.errors import JournalError, NeedsPerson, RefMoved, UsageError
from gitmimo.files import hold_lock
from gitmimo.git import merge, refs, undo_log
from gitmimo.git.gc_lock import hold_off_gc
from gitmimo.git.repository import Repository
from gitmimo.git.run import run_git
from gitmimo.ids import Oid, SessionId
from gitmimo.journal import Journal
from gitmimo.workflow.directories import journal_path
from gitmimo.workflow.gc import restore_result
from gitmimo.workflow.journals import list_session_ids, read_session
from gitmimo.workflow.merge import repair_interrupted_merge


@dataclass(frozen=True, slots=True, kw_only=True)
class Undone:
    """What was taken back, and the record of it."""

    operation: undo_log.Operation
    record: str


def undoable(repository: Repository) -> tuple[undo_log.Operation, ...]:
    """The operations that are in effect, newest first: neither undone before nor without any effect."""
    undone: set[str] = set()
    found = []
    for operation in undo_log.list_operations(repository):
        if operation.id in undone:
            continue
        if all(refs.read_ref(repository, move.ref) == move.old for move in operation.moves):
            continue  # never made, or taken back
        if operation.command.startswith("undo "):
            undone.add(operation.command.removeprefix("undo "))
        else:
            found.append(operation)
    return tuple(found)


def undo(repository: Repository, *, id: str | None = None, with_checkout: bool = False) -> Undone:
    """Move the refs of the newest operation in effect, or of the one named, back to where they were.

    NeedsPerson, with everything as it was, if something was built on them since, or when a branch is checked out and
    `with_checkout` was not given or that checkout is not clean.
    """
    with hold_lock(repository.state_dir / "merge.lock"), hold_off_gc(repository):
        for session in list_session_ids(repository)[:20]:
            with contextlib.suppress(JournalError):
                repair_interrupted_merge(repository, journal_path(repository, session))
        operation = _pick(repository, id)
        back = [undo_log.RefMove(ref=move.ref, old=move.new, new=move.old) for move in reversed(operation.moves)]
        places: dict[str, Path] = {}
        for move in back:
            current = refs.read_ref(repository, move.ref)
            if current == move.new:
                continue
            if current != move.old:
                raise _built_upon(repository, move, current)
            if move.ref.startswith("refs/heads/") and (place := merge.find_checkout(repository, move.ref)):
                _check_checkout(place, move, consented=with_checkout)
                places[move.ref] = place
        record = undo_log.record_moves(repository, f"undo {operation.id}", back)
        for move in back:
            if move.ref in places:
                run_git(["reset", "--quiet", "--keep", str(move.new)], cwd=places[move.ref],
                        env={"GIT_REFLOG_ACTION": f"mimo: undo {operation.id}"})  # fmt: skip
            else:
                undo_log.apply_move(repository, move, reason=f"mimo: undo {operation.id}")
    _note_unmerged(repository, operation)
    return Undone(operation=operation, record=record)


def _pick(repository: Repository, id: str | None) -> undo_log.Operation:
    if id is not None:
        return undo_log.read_operation(repository, id)
    found = undoable(repository)
    if not found:
        raise UsageError("nothing is left to undo", hint="git mimo undo --list")
    latest = undo_log.list_operations(repository)[0]
    if latest.command.startswith("undo ") and not latest.command.startswith("undo undo-"):
        raise UsageError(
            "the last command is undone already; what is older is taken back by its name",
            hint=f"git mimo undo {found[0].id}   # {found[0].command}, {found[0].time:%Y-%m-%d %H:%M}",
        )
    return found[0]


def _built_upon(repository: Repository, move: undo_log.RefMove, current: Oid | None) -> NeedsPerson | RefMoved:
    """Say what can be done instead when a ref has gone on."""
    name = ids.short_name(move.ref)
    if current is None or move.old is None or not merge.is_ancestor(repository, older=move.old, newer=current):
        return RefMoved(move.ref, expected=move.old, hint=f"git log {name}")
    more = repository.run("rev-list", "--count", f"{move.old}..{current}").text
    parents = repository.run("rev-list", "--parents", "-1", move.old).text.split()[1:]
    if move.new is None:
        hint = f"git branch -D {name}   # with what was built on it"
    elif len(parents) > 1:
        hint = f"git revert -m 1 {move.old[:12]}"
    else:
        hint = f"git revert --no-edit {move.new[:12]}..{move.old[:12]}"
    return NeedsPerson(f"`{name}` has {more} newer commits, so nothing was moved; a revert takes it back", hint=hint)


def _check_checkout(place: Path, move: undo_log.RefMove, *, consented: bool) -> None:
    name = ids.short_name(move.ref)
    if move.new is None:
        raise NeedsPerson(f"`{name}` is checked out in `{place}` and would go", hint=f"git -C '{place}' switch -")
    if not consented:
        raise NeedsPerson(f"`{name}` is checked out in `{place}`", hint="git mimo undo --checkout   # files included")
    changed = run_git(["status", "--porcelain", "-z", "--untracked-files=no"], cwd=place).text
    if changed:
        raise NeedsPerson(f"the checkout `{place}` has uncommitted changes", hint="git stash, then undo, then pop")


def _note_unmerged(repository: Repository, operation: undo_log.Operation) -> None:
    found = re.match(r"merge (\S+) into ", operation.command)
    if found is None or found[1] not in list_session_ids(repository):
        return
    session = SessionId(found[1])
    with contextlib.suppress(JournalError):  # the refs are what counts
        result = read_session(repository, session).result
        restore_result(repository, result)
        with contextlib.closing(Journal(journal_path(repository, session))) as journal:
            journal.done("merged", result=replace(result, merged=False))
