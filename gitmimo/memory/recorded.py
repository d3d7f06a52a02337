"""A candidate's recorded steps, read back from its commits one at a time, and which of them had an effect.

The commits say what changed, the records what was asked for; outputs are dropped as soon as they are read, so a
trajectory of any size needs little memory.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from gitmimo.codec import from_json
from gitmimo.git.edit import entries_apart
from gitmimo.git.objects import TREE
from gitmimo.git.repository import Repository
from gitmimo.git.tree import without_mimo
from gitmimo.memory.effects import without_junk
from gitmimo.records import Action, ActionKind, Oid, Step

_MOST_BYTES = 50_000_000
_CUT = 300
_MOST_COMMANDS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Doing:
    """One action without its output: what was asked for and how it ended."""

    action: Action
    exit_code: int | None = None
    said: str = ""  # the last characters of the output, for telling why a command failed


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedStep:
    """One step commit: the product before and after it, and what was done. `number` is 0 where no record came along."""

    number: int
    commit: Oid
    before: Oid
    after: Oid
    doings: tuple[Doing, ...] = ()

    @property
    def changes_product(self) -> bool:
        return self.before != self.after


def read_steps(repository: Repository, *, base: Oid, tip: Oid) -> Iterator[RecordedStep]:
    """Yield a candidate's steps in order. Trees are products: without `.mimo/` and without what tools leave behind."""
    listed = repository.run("rev-list", "--first-parent", "--reverse", f"{base}..{tip}").text.split()
    base_product = without_mimo(repository, repository.tree_of(base))
    before, before_records = base_product, _records_tree(repository, base)
    for commit in map(Oid, listed):
        product = without_mimo(repository, repository.tree_of(commit))
        after = without_junk(repository, product, base_product)
        records = _records_tree(repository, commit)
        number, doings = _new_record(repository, records, before_records)
        yield RecordedStep(number=number, commit=commit, before=before, after=after, doings=doings)
        before, before_records = after, records


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """A whole trajectory, boiled down: the steps that led to the product, and which commands failed and worked."""

    kept: tuple[RecordedStep, ...]
    seen: int
    failed: tuple[Doing, ...]
    worked: tuple[str, ...]


def walk(steps: Iterator[RecordedStep]) -> Walk:
    """Keep the steps that led to the last product.

    Dropped: steps that changed nothing (reading, tests, failed commands, repetitions), and every detour that came back
    to a product that had been there before.
    """
    kept: list[RecordedStep] = []
    failed: dict[str, Doing] = {}
    worked: dict[str, None] = {}
    seen = 0
    for step in steps:
        seen += 1
        for doing in step.doings:
            if doing.exit_code not in (None, 0) and len(failed) < _MOST_COMMANDS:
                failed.setdefault(doing.action.text[:_CUT], doing)
            elif doing.exit_code == 0 and len(doing.action.text) < _CUT and len(worked) < _MOST_COMMANDS:
                worked[doing.action.text.strip()] = None
        if not step.changes_product:
            continue
        start = next((index for index, earlier in enumerate(kept) if earlier.before == step.after), None)
        if start is not None:
            del kept[start:]
        else:
            kept.append(step)
    return Walk(kept=tuple(kept), seen=seen, failed=tuple(failed.values()), worked=tuple(worked))


def _records_tree(repository: Repository, commit: Oid) -> Oid | None:
    entry = repository.find_entry(commit, ".mimo/trajectory")
    return entry.oid if entry is not None and entry.mode == TREE else None


def _new_record(repository: Repository, now: Oid | None, before: Oid | None) -> tuple[int, tuple[Doing, ...]]:
    """Read the record that the commit added; a damaged one counts as none."""
    if now is None or now == before:
        return 0, ()
    for entry in entries_apart(repository, now, before):
        if not entry.path.endswith(".json"):
            continue
        data = repository.read_object(entry.oid)
        if len(data) > _MOST_BYTES:
            continue
        try:
            step = from_json(Step, json.loads(data))
        except (ValueError, TypeError, KeyError, AttributeError):
            continue
        return step.number, tuple(_doings(step))
    return 0, ()


def _doings(step: Step) -> Iterator[Doing]:
    for index, action in enumerate(step.actions):
        observation = step.observations[index] if index < len(step.observations) else None
        if action.kind in (ActionKind.SHELL, ActionKind.EDIT, ActionKind.WRITE, ActionKind.TEST):
            yield Doing(
                action=action,
                exit_code=observation.exit_code if observation else None,
                said=observation.text[-_CUT:] if observation and observation.exit_code else "",
            )
