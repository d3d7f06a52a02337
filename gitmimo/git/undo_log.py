"""Undo records: a command's ref moves, stored as a commit whose parents are the old tips."""

import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from gitmimo.codec import from_json, to_json
from gitmimo.errors import RepoError
from gitmimo.git.commit import write_commit
from gitmimo.git.gc_lock import hold_off_gc
from gitmimo.git.refs import delete_ref, list_refs, read_ref, update_ref
from gitmimo.git.repository import Repository
from gitmimo.git.run import check_outside_name
from gitmimo.git.trees import empty_tree
from gitmimo.ids import OPS_PREFIX, Oid

_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RefMove:
    """One ref's move from `old` to `new`; None means that the ref is absent."""

    ref: str
    old: Oid | None
    new: Oid | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """The ref moves of one command, in order."""

    id: str
    command: str
    moves: tuple[RefMove, ...]
    time_ns: int  # since the epoch

    @property
    def time(self) -> datetime:
        return datetime.fromtimestamp(self.time_ns // 10**9, UTC)


def record_moves(repository: Repository, command: str, moves: Sequence[RefMove]) -> str:
    """Record moves before they are made, so that the old tips stay reachable whatever happens next; return its id."""
    id = ("undo-" if command.startswith("undo ") else "") + secrets.token_hex(5)  # so that an undo of an undo is seen
    data = {"version": _VERSION, "command": command, "order": time.time_ns(), "moves": to_json(moves)}
    parents = [old for old in dict.fromkeys(move.old for move in moves) if old is not None]
    message = f"mimo: {command}\n\n{json.dumps(data, sort_keys=True)}"
    with hold_off_gc(repository):
        made = write_commit(repository, tree=empty_tree(repository), parents=parents, message=message)
        update_ref(repository, _ref(id), made, expected=None, reason=f"mimo: {command}")
    return id


def move_recorded(repository: Repository, command: str, moves: Sequence[RefMove]) -> None:
    """Make a command's moves, with a record from which they are taken back."""
    record_moves(repository, command, moves)
    for move in moves:
        apply_move(repository, move, reason=f"mimo: {command}")


def read_operation(repository: Repository, id: str) -> Operation:
    """Read one record; RepoError when there is none or it isn't ours."""
    tip = read_ref(repository, _ref(id))
    if tip is None:
        raise RepoError(f"no such operation: `{id}`", hint="git mimo undo --list")
    try:
        commit = repository.pygit[tip]
        data = json.loads(commit.message.split("\n\n", 1)[1])  # type: ignore[attr-defined]
        if data["version"] != _VERSION:
            raise RepoError(f"the operation `{id}` was recorded by another version of git-mimo: {data['version']}")
        moves = from_json(tuple[RefMove, ...], data["moves"])
        return Operation(id=id, command=data["command"], moves=moves, time_ns=int(data["order"]))
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as exc:
        raise RepoError(f"the record of the operation cannot be read: `{id}`") from exc


def list_operations(repository: Repository) -> tuple[Operation, ...]:
    """Return all records, newest first."""
    ids = [name.removeprefix(OPS_PREFIX) for name in list_refs(repository, OPS_PREFIX)]
    return tuple(
        sorted((read_operation(repository, id) for id in ids), key=lambda op: (op.time_ns, op.id), reverse=True)
    )


def apply_move(repository: Repository, move: RefMove, *, reason: str) -> None:
    """Make one move by compare-and-swap; a move that is already made is left alone."""
    if read_ref(repository, move.ref) == move.new:
        return
    if move.new is None:
        if move.old is not None:
            delete_ref(repository, move.ref, expected=move.old, reason=reason)
        return
    update_ref(repository, move.ref, move.new, expected=move.old, reason=reason)


def _ref(id: str) -> str:
    return f"{OPS_PREFIX}{check_outside_name(id, what='operation')}"
