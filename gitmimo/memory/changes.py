"""The changes that landed, people's and sessions' alike, from git's log, in groups that touch the same places."""

import math
import re
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from gitmimo.git.repository import Repository
from gitmimo.ids import Oid

MOST_CHANGES = 400
_SESSION = "%(trailers:key=Mimo-Session,valueonly,separator=%x20)"
_REVERTS = re.compile(r"^This reverts commit ([0-9a-f]{40})", re.MULTILINE)
LIKENESS = 0.5
_MOST_FILES = 40  # a change that touches more is a sweep or an import, not a chore
_TEST = ("test", "spec")
_LOGS = ("changelog", "changes", "news", "history")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One commit that is no merge: its message and the paths it touched, without `.mimo/`, each with its status."""

    commit: Oid
    message: str
    files: tuple[tuple[str, str], ...]  # status letter (A, M, D, R) and path
    session: str = ""

    @property
    def subject(self) -> str:
        return self.message.strip().partition("\n")[0]

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(path for _, path in self.files)


def read_changes(repository: Repository, commit: str, *, limit: int = MOST_CHANGES) -> tuple[Change, ...]:
    """Return the newest changes that a commit has in its history, newest first, reverted ones and reverts left out."""
    listed = repository.run(
        *("log", "--no-merges", f"--max-count={limit}", "--name-status", "-z", "--find-renames", "--no-show-signature"),
        *(f"--format=%x01%H%x02{_SESSION}%x02%B%x02", commit, "--", ".", ":(top,exclude).mimo"),
    ).stdout.decode("utf-8", "replace")
    found = [_change(block) for block in listed.split("\x01")[1:]]
    reverted: set[str] = set()
    for change in found:
        if change.commit not in reverted:
            reverted.update(_REVERTS.findall(change.message))
    return tuple(
        change
        for change in found
        if change.files and change.commit not in reverted and not _REVERTS.search(change.message)
    )


def _change(block: str) -> Change:
    commit, session, message, listed = block.split("\x02", 3)
    fields = [field for field in listed.split("\0") if field.strip()]
    files, position = [], 0
    while position + 1 < len(fields):
        status = fields[position].strip()[:1]
        position += 2 if status in "RC" else 1  # of a rename the new path counts
        if position < len(fields):
            files.append((status, fields[position]))
        position += 1
    return Change(commit=Oid(commit), message=message.strip(), files=tuple(files), session=session.strip())


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Two or more changes of one kind, newest first, and what they share, most telling first."""

    changes: tuple[Change, ...]
    shared: tuple[str, ...]

    @property
    def commands(self) -> tuple[str, ...]:
        """The commands that are shared."""
        return tuple(feature[2:] for feature in self.shared if feature.startswith("$ "))

    @property
    def places(self) -> tuple[str, ...]:
        """The paths that are shared, and the directories of new (`+`) and removed (`-`) files."""
        return tuple(feature for feature in self.shared if not feature.startswith("$ "))


def footprint(change: Change, commands: Sequence[str] = ()) -> frozenset[str]:
    """What a change touches: `path`, `+dir/*.ext` for new files, `-dir/*.ext` for removed ones, `$ command`."""
    features = [path if status not in "AD" else _pattern(status, path) for status, path in change.files]
    return frozenset([*features, *(f"$ {command}" for command in commands)])


def find_groups(changes: Sequence[Change], commands: Mapping[str, Sequence[str]] | None = None) -> tuple[Group, ...]:
    """Return the groups among changes (newest first), the largest first. `commands` are those of sessions.

    A group must share more than one place and its tests: two fixes in one file are no chore. What a change touches
    weighs by its rarity: a path that nearly every change touches says nothing.
    """
    ran = commands or {}
    prints = {change.commit: footprint(change, ran.get(change.session, ())) for change in changes}
    counts = Counter(feature for touched in prints.values() for feature in touched)
    weights = {feature: math.log((len(prints) + 1) / count) for feature, count in counts.items()}
    groups: list[list[Change]] = []
    for change in reversed(changes):
        if not 1 <= len(change.files) <= _MOST_FILES:
            continue
        scores = [
            statistics.fmean(similarity(prints[change.commit], prints[other.commit], weights) for other in group)
            for group in groups
        ]
        best = max(scores, default=0.0)
        if best >= LIKENESS:
            groups[scores.index(best)].append(change)
        else:
            groups.append([change])
    found = []
    for group in groups:
        shared = _shared([prints[change.commit] for change in group], weights)
        if len(group) > 1 and _is_chore(shared):
            found.append(Group(changes=tuple(reversed(group)), shared=shared))
    return tuple(sorted(found, key=lambda group: -len(group.changes)))


def similarity(one: frozenset[str], other: frozenset[str], weights: Mapping[str, float]) -> float:
    """Similarity of two changes by what they touch, weighted, 0 to 1.

    Commands count where both have them: people's changes come without.
    """
    if not all(any(feature.startswith("$ ") for feature in touched) for touched in (one, other)):
        one, other = (frozenset(f for f in touched if not f.startswith("$ ")) for touched in (one, other))
    union = sum(weights[feature] for feature in one | other)
    return sum(weights[feature] for feature in one & other) / union if union else 0.0


def _shared(prints: Sequence[frozenset[str]], weights: Mapping[str, float]) -> tuple[str, ...]:
    """What at least two thirds of a group touch, the rarest first."""
    counts = Counter(feature for touched in prints for feature in touched)
    least = max(2, math.ceil(len(prints) * 2 / 3))
    shared = [feature for feature, count in counts.items() if count >= least]
    return tuple(sorted(shared, key=lambda feature: (-weights[feature], feature)))


def _is_chore(shared: Sequence[str]) -> bool:
    """Whether two places are shared besides tests and changelogs, or new files of one kind."""
    names = [feature.lower() for feature in shared]
    telling = [
        name
        for name in names
        if not any(word in name for word in _TEST) and not any(word in name.rpartition("/")[2] for word in _LOGS)
    ]
    return len(telling) > 1 or any(name.startswith("+") for name in telling)


def _pattern(status: str, path: str) -> str:
    pure = PurePosixPath(path)
    sign = "+" if status == "A" else "-"
    return f"{sign}{pure.parent.as_posix()}/*{pure.suffix}".replace("./", "")
