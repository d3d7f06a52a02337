"""Which files of a large checkout differ from what git wrote there: asked of git, which looks in several threads.

Python takes three times as long for 50,000 files' times. The index is a copy that nobody else writes to; what it can't
tell apart by times, since a file was changed in the second in which it was written, git reads.
"""

import os
import shutil
from collections.abc import Iterator, Mapping, Set
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gitmimo.errors import MimoError
from gitmimo.git.binary import run_git
from gitmimo.git.index import INDEX_SWITCHES
from gitmimo.git.repository import Repository
from gitmimo.git.stat_data import Checkout, Written
from gitmimo.records import Oid

LARGE = 5_000  # files; below, starting git takes longer than looking
_SWITCHES = (*INDEX_SWITCHES, "-c", "core.preloadIndex=true", "-c", "core.fileMode=true")


@dataclass(slots=True)
class Watch:
    """A copied index, and the files that are taken as it has them as long as git does not name them."""

    index: Path
    assumed: set[str]

    @contextmanager
    def look(self, repository: Repository, directory: Path) -> Iterator[Future[Set[str]]]:
        """Have git look while the caller does something else; the names of files that differ or are gone.

        All that are assumed where git fails.
        """
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="watch") as pool:
            yield pool.submit(self._names, repository, directory)

    def _names(self, repository: Repository, directory: Path) -> Set[str]:
        try:
            said = _git(repository, directory, self.index, "diff-files", "--name-only", "--no-renames", "-z")
        except MimoError:
            return frozenset(self.assumed)
        return frozenset(os.fsdecode(name) for name in said.split(b"\0") if name)


def watched_index(index: Path) -> Path:
    """Where the copy lies for the snapshots that have this `index`."""
    return index.with_name(f"{index.name}.watched")


def begin_watch(
    repository: Repository,
    directory: Path,
    *,
    checkout: Checkout,
    copy: Path,
    written: Mapping[str, Written],
    tracked: Mapping[str, tuple[int, Oid]],
) -> Watch | None:
    """Copy a checkout's index and bring its times up to date; None for what is small, or where it can't be had.

    `written` is what that index says.
    """
    if len(written) < LARGE:
        return None
    try:
        shutil.copy2(checkout.index, copy)  # with its time, which tells git what it can't tell apart
        if not checkout.is_untouched():
            raise FileNotFoundError(copy)
        _git(repository, directory, copy, "update-index", "-q", "--refresh")
    except (OSError, MimoError):
        copy.unlink(missing_ok=True)
        return None
    assumed = {path for path, file in written.items() if tracked.get(path) == (file.mode, file.oid)}
    return Watch(index=copy, assumed=assumed)


def _git(repository: Repository, directory: Path, index: Path, *arguments: str) -> bytes:
    done = run_git(
        [*_SWITCHES, *repository.user_rules.filter_switches(frozenset()), *arguments],
        cwd=directory,
        git_dir=repository.common_dir,
        work_tree=directory,
        index=index,
        env=repository.hold_environment,
        check=arguments[0] == "diff-files",  # a refresh answers 1 where some file differs
    )
    return done.stdout
