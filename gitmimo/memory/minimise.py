"""The fewest steps that lead from a base to a product, found by carrying them out again and again."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gitmimo.git.edit import change_paths
from gitmimo.git.repository import Repository
from gitmimo.memory.commands import read_commands
from gitmimo.memory.effects import NotText, apply_file_step, file_steps, without_junk
from gitmimo.memory.procedure import ProcedureStep
from gitmimo.memory.recorded import RecordedStep
from gitmimo.memory.replay import Bench, changed_paths
from gitmimo.records import ActionKind, Oid


@dataclass(frozen=True, slots=True, kw_only=True)
class Minimised:
    """Steps that lead from base to target, none of which can be left out. `tries` counts the steps carried out."""

    steps: tuple[ProcedureStep, ...]
    recorded: int
    tries: int


def minimise(
    bench: Bench, recorded: Sequence[RecordedStep], *, base: Oid, target: Oid, max_seconds: float = 300.0
) -> Minimised:
    """Return the smallest sequence found that gives the target tree. NotText when there is none.

    Commands are kept where they are simple and give again what they gave; all else becomes what it did to the files.
    Trees are products, without `.mimo/`. After `max_seconds` no more commands are tried.
    """
    trier = _Trier(bench=bench, base=base, deadline=time.monotonic() + max_seconds)
    runs = _useful_runs(trier, recorded)
    ways: list[Callable[[], list[ProcedureStep]]] = [lambda: file_steps(bench.repository, base, target)]
    if runs:
        ways = [
            lambda: _edits_then_runs(trier, recorded, runs, base, target),
            lambda: _runs_then_edits(trier, runs, base, target),
            lambda: _in_order(trier, recorded, runs, base, target),
            *ways,
        ]
    found: list[list[ProcedureStep]] = []
    problem: NotText | None = None
    for way in ways:
        try:
            steps = way()
        except NotText as exc:
            problem = exc
            continue
        if steps and trier.apply_all(base, steps) == target:
            found.append(_without_needless(trier, steps, base, target))
    if not found:
        raise problem or NotText("the change")
    best = min(found, key=lambda steps: (len(steps) - bool(_count_runs(steps)), -_count_runs(steps), _size(steps)))
    return Minimised(steps=tuple(best), recorded=len(recorded), tries=trier.tries)


@dataclass(slots=True)
class _Trier:
    """Carries out steps on trees and remembers what each gave."""

    bench: Bench
    base: Oid
    deadline: float
    tries: int = 0
    _known: dict[tuple[Oid, ProcedureStep], Oid | None] = field(default_factory=dict)

    @property
    def repository(self) -> Repository:
        return self.bench.repository

    def apply_all(self, tree: Oid, steps: Sequence[ProcedureStep]) -> Oid | None:
        """Return the tree after all steps, None when one fails."""
        current: Oid | None = tree
        for step in steps:
            current = self.apply(current, step) if current is not None else None
        return current

    def apply(self, tree: Oid, step: ProcedureStep) -> Oid | None:
        key = (tree, step)
        if key not in self._known:
            self.tries += 1
            self._known[key] = self._run(tree, step) if step.kind == "run" else self._edit(tree, step)
        return self._known[key]

    def _edit(self, tree: Oid, step: ProcedureStep) -> Oid | None:
        return apply_file_step(self.repository, tree, step)

    def _run(self, tree: Oid, step: ProcedureStep) -> Oid | None:
        if time.monotonic() > self.deadline or (self.bench.cancelled is not None and self.bench.cancelled()):
            return None
        with self.bench.checkout(tree) as place:
            cwd = place.root / step.cwd if step.cwd else place.root
            if not _is_inside(cwd, place.root):
                return None
            code, _ = place.runner(network=False)(step.argv, cwd, step.timeout_s)
            return without_junk(self.repository, place.product(), self.base) if code == 0 else None


def _is_inside(directory: Path, root: Path) -> bool:
    return directory.is_dir() and directory.resolve().is_relative_to(root.resolve())


def _useful_runs(trier: _Trier, recorded: Sequence[RecordedStep]) -> dict[int, list[ProcedureStep]]:
    """Return, by position, the commands that give again from a step's tree what they gave then."""
    runs: dict[int, list[ProcedureStep]] = {}
    for index, step in enumerate(recorded):
        asked = [doing.action for doing in step.doings if doing.exit_code in (None, 0)]
        if not asked or any(action.kind is not ActionKind.SHELL for action in asked):
            continue
        parsed = [read_commands(action.text) for action in asked]
        steps = [
            ProcedureStep(kind="run", argv=command.argv, cwd=command.cwd)
            for commands in parsed
            for command in commands or ()
        ]
        if steps and None not in parsed and trier.apply_all(step.before, steps) == step.after:
            runs[index] = [s for s in steps if len(steps) == 1 or trier.apply(step.before, s) != step.before] or steps
    return runs


def _edits_then_runs(
    trier: _Trier, recorded: Sequence[RecordedStep], runs: Mapping[int, list[ProcedureStep]], base: Oid, target: Oid
) -> list[ProcedureStep]:
    """Edit everything that the commands did not make, then run them."""
    made = {path for n in runs for path in changed_paths(trier.repository, recorded[n].before, recorded[n].after)}
    wanted = {path: _entry(trier.repository, base, path) for path in made}
    edited = change_paths(trier.repository, target, wanted) if wanted else target
    return [*file_steps(trier.repository, base, edited), *(step for index in sorted(runs) for step in runs[index])]


def _runs_then_edits(
    trier: _Trier, runs: Mapping[int, list[ProcedureStep]], base: Oid, target: Oid
) -> list[ProcedureStep]:
    commands = [step for index in sorted(runs) for step in runs[index]]
    after = trier.apply_all(base, commands)
    return [*commands, *file_steps(trier.repository, after, target)] if after is not None else []


def _in_order(
    trier: _Trier, recorded: Sequence[RecordedStep], runs: Mapping[int, list[ProcedureStep]], base: Oid, target: Oid
) -> list[ProcedureStep]:
    """Keep commands where they stood; what lies between two of them becomes what it did to the files."""
    steps: list[ProcedureStep] = []
    current = base
    for index in sorted(runs):
        steps += file_steps(trier.repository, current, recorded[index].before)
        steps += runs[index]
        current = recorded[index].after
    return [*steps, *file_steps(trier.repository, current, target)]


def _without_needless(trier: _Trier, steps: Sequence[ProcedureStep], base: Oid, target: Oid) -> list[ProcedureStep]:
    """Delta debugging: leave out halves, quarters and so on, down to single steps, while the target is reached."""
    kept = list(steps)
    size = max(1, len(kept) // 2)
    while True:
        index = 0
        removed = False
        while index < len(kept) and len(kept) > 1:
            shorter = kept[:index] + kept[index + size :]
            if shorter and trier.apply_all(base, shorter) == target:
                kept, removed = shorter, True
            else:
                index += size
        if size == 1 and not removed:
            return kept
        size = max(1, size // 2)


def _entry(repository: Repository, tree: Oid, path: str) -> tuple[Oid, int] | None:
    found = repository.find_entry(tree, path)
    return (found.oid, found.mode) if found is not None else None


def _count_runs(steps: Sequence[ProcedureStep]) -> int:
    return sum(step.kind == "run" for step in steps)


def _size(steps: Sequence[ProcedureStep]) -> int:
    return sum(len(step.text) + sum(len(c.old) + len(c.new) for c in step.changes) for step in steps)
