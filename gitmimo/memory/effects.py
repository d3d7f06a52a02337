"""What turned one tree into another, as the fewest file steps of a procedure."""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from gitmimo.git.edit import change_paths, entries_apart
from gitmimo.git.objects import EXECUTABLE, FILE
from gitmimo.git.repository import Repository
from gitmimo.git.tree import put_files
from gitmimo.memory.procedure import Change, ProcedureStep
from gitmimo.memory.replacements import find_replacements, substitute, whole_word
from gitmimo.memory.skill_runner import Refused, edited, glob_pattern
from gitmimo.records import Oid

_MOST_TEXT = 150_000
_MOST_REPLACEMENTS = 4
_JUNK = re.compile(
    r"(?:^|/)(?:__pycache__|\.pytest_cache|\.mypy_cache|\.ruff_cache|\.hypothesis|\.tox|\.nox|node_modules|\.venv)/"
    r"|\.py[co]\Z|(?:^|/)\.coverage\Z|(?:^|/)\.DS_Store\Z|\.egg-info/"
)


class NotText(Exception):
    """A change that no file step can express: a binary, a link, a submodule, or something too large."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


@dataclass(frozen=True, slots=True, kw_only=True)
class FileState:
    """A file of a tree as text."""

    text: str
    mode: int


def is_junk(path: str) -> bool:
    """Whether a path is what tools leave behind and nobody means to keep."""
    return bool(_JUNK.search(path))


def without_junk(repository: Repository, tree: Oid, base: Oid) -> Oid:
    """Return the tree without the junk that `base` does not hold."""
    junk = [entry.path for entry in entries_apart(repository, tree, base) if is_junk(entry.path)]
    added = {path: None for path in junk if repository.find_entry(base, path) is None}
    return change_paths(repository, tree, added) if added else tree


def file_steps(repository: Repository, old: Oid, new: Oid) -> list[ProcedureStep]:
    """Return the steps that turn one tree into the other: one for each file, or fewer by replacements over several.

    NotText when some change can't be put into steps.
    """
    best = _steps_by_file(repository, old, new)
    leading: list[ProcedureStep] = []
    for _ in range(_MOST_REPLACEMENTS):
        found = None
        before, after = _states(repository, old, new)
        for step in find_replacements(_texts(before), _texts(after)):
            tree = apply_file_step(repository, old, step)
            if tree is None:
                continue
            steps = [*leading, step, *_steps_by_file(repository, tree, new)]
            if len(steps) < len(best):
                best, found = steps, (step, tree)
        if found is None:
            break
        leading.append(found[0])
        old = found[1]
    return best


def _steps_by_file(repository: Repository, old: Oid, new: Oid) -> list[ProcedureStep]:
    before, after = _states(repository, old, new)
    moves = _moves(before, after)
    steps = [ProcedureStep(kind="move", path=source, to=target) for source, target in moves.items()]
    for path in sorted({*before, *after}):
        if path not in moves and path not in moves.values():
            steps.append(_one_file(path, before.get(path), after.get(path)))
    return steps


def apply_file_step(repository: Repository, tree: Oid, step: ProcedureStep) -> Oid | None:
    """Return the tree after a step that is no command; None when the step fails there. No slots are filled."""
    try:
        match step.kind:
            case "edit":
                state = _state(repository, tree, step.path)
                changes = [{"old": change.old, "new": change.new} for change in step.changes]
                text = edited(state.text if state else None, changes, {}, step.path)
                return put_files(repository, tree, {step.path: text.encode()})
            case "write":
                if step.new and repository.find_entry(tree, step.path) is not None:
                    return None
                held = repository.find_entry(tree, step.path)
                mode = held.mode if held is not None and held.mode in (FILE, EXECUTABLE) else FILE
                blob = repository.write_blob(step.text.encode())
                return change_paths(repository, tree, {step.path: (blob, EXECUTABLE if step.executable else mode)})
            case "delete" | "move":
                entry = repository.find_entry(tree, step.path)
                if entry is None or entry.mode not in (FILE, EXECUTABLE):
                    return None
                wanted: dict[str, tuple[Oid, int] | None] = {step.path: None}
                if step.kind == "move":
                    wanted[step.to] = (entry.oid, entry.mode)
                return change_paths(repository, tree, wanted)
            case "replace":
                return _replaced(repository, tree, step)
    except (Refused, NotText):
        return None
    return None


# --- single files ----------------------------------------------------------------------------------------------------


def _states(repository: Repository, old: Oid, new: Oid) -> tuple[dict[str, FileState], dict[str, FileState]]:
    before = {entry.path: _require(repository, old, entry.path) for entry in entries_apart(repository, old, new)}
    after = {entry.path: _require(repository, new, entry.path) for entry in entries_apart(repository, new, old)}
    return before, after


def _texts(states: Mapping[str, FileState]) -> dict[str, str]:
    return {path: state.text for path, state in states.items()}


def _require(repository: Repository, tree: Oid, path: str) -> FileState:
    state = _state(repository, tree, path)
    if state is None:
        raise NotText(path)
    return state


def _state(repository: Repository, tree: Oid, path: str) -> FileState | None:
    entry = repository.find_entry(tree, path)
    if entry is None or entry.mode not in (FILE, EXECUTABLE):
        return None
    data = repository.read_object(entry.oid)
    if len(data) > _MOST_TEXT or b"\0" in data:
        raise NotText(path)
    try:
        return FileState(text=data.decode(), mode=entry.mode)
    except UnicodeDecodeError as exc:
        raise NotText(path) from exc


def _one_file(path: str, before: FileState | None, after: FileState | None) -> ProcedureStep:
    if after is None:
        return ProcedureStep(kind="delete", path=path)
    becomes_executable = after.mode == EXECUTABLE and (before is None or before.mode != EXECUTABLE)
    if before is None or becomes_executable:
        return ProcedureStep(
            kind="write", path=path, text=after.text, new=before is None, executable=after.mode == EXECUTABLE
        )
    if before.mode != after.mode:
        raise NotText(path)
    changes = anchored_changes(before.text, after.text)
    if changes is None:
        return ProcedureStep(kind="write", path=path, text=after.text)
    return ProcedureStep(kind="edit", path=path, changes=changes)


def anchored_changes(before: str, after: str) -> tuple[Change, ...] | None:
    """Return changes, each found by text that stands once in the file; None when writing it whole is simpler."""
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    blocks = [b for b in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes() if b[0] != "equal"]
    if not blocks or sum(b[2] - b[1] for b in blocks) > 0.8 * max(1, len(old)) and len(old) > 3:
        return None
    changes: list[Change] = []
    text = before
    done = 0  # lines of `old` that earlier changes have taken in
    for _, first, last, new_first, new_last in blocks:
        change = _anchored(text, old, new[new_first:new_last], first, last, done)
        if change is None:
            return None
        changes.append(change)
        text = text.replace(change.old, change.new)
        done = last
    return tuple(changes) if text == after else None


def _anchored(text: str, old: Sequence[str], fresh: Sequence[str], first: int, last: int, done: int) -> Change | None:
    """Widen a block by lines before and after it until its old text stands once. Lines before `done` are off limits."""
    for above, below in _widenings():
        start, end = first - above, last + below
        if start < done or end > len(old):
            continue
        anchor = "".join(old[start:end])
        if anchor.strip() and text.count(anchor) == 1:
            return Change(old=anchor, new="".join([*old[start:first], *fresh, *old[last:end]]))
    return None


def _widenings() -> Iterator[tuple[int, int]]:
    yield from sorted(((a, b) for a in range(9) for b in range(9)), key=lambda pair: (sum(pair), -pair[0]))


def _moves(before: dict[str, FileState], after: dict[str, FileState]) -> dict[str, str]:
    """Files that are gone and stand elsewhere, unchanged and not empty."""
    gone = {path: state for path, state in before.items() if path not in after}
    fresh = {path: state for path, state in after.items() if path not in before}
    moves: dict[str, str] = {}
    for path, state in sorted(gone.items()):
        target = next((p for p, s in sorted(fresh.items()) if s == state and p not in moves.values()), None)
        if target is not None and state.text.strip():
            moves[path] = target
    return moves


def _replaced(repository: Repository, tree: Oid, step: ProcedureStep) -> Oid | None:
    change = step.changes[0]
    word = whole_word(change.old) if step.whole_word else re.compile(re.escape(change.old))
    patterns = [re.compile(glob_pattern(pattern)) for pattern in step.paths]
    files: dict[str, bytes | None] = {}
    for entry in repository.list_paths(tree):
        if entry.mode in (FILE, EXECUTABLE) and any(pattern.fullmatch(entry.path) for pattern in patterns):
            try:
                state = _state(repository, tree, entry.path)
            except NotText:
                continue
            if state is not None and word.search(state.text):
                files[entry.path] = substitute(word, change.new, state.text).encode()
    return put_files(repository, tree, files) if files else None
