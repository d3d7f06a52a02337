"""Where candidates work: their worktrees made, removed, and cleared after a session whose process has ended."""

import contextlib
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from gitmimo.errors import MimoError, NeedsPerson
from gitmimo.files import remove_tree
from gitmimo.git import agent_repo, commit, refs, snapshot, worktree
from gitmimo.git.repository import Repository
from gitmimo.git.trees import with_mimo_from
from gitmimo.ids import Oid, SessionId
from gitmimo.processes import processes_in
from gitmimo.workflow.history import TRAJECTORY

UNFINISHED = "refs/mimo/unfinished/"
_OURS = re.compile(r"(\d+(\.git|\.home|\.tmp|\.index(\.(lock|rules))?)?|bench|dream|replay-\w{8})\Z")
_DEATH_S = 5.0  # children of a killed session die with it, though not at once


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidatePaths:
    """Where a candidate of a session works, and what it is called."""

    session: SessionId
    number: int
    base: Oid
    branch: str  # a full ref name
    directory: Path  # of the session; the worktree is `directory/<number>`

    @property
    def worktree(self) -> Path:
        return self.directory / str(self.number)

    @property
    def private_git(self) -> Path:
        return self.directory / f"{self.number}.git"

    @property
    def index(self) -> Path:
        return self.directory / f"{self.number}.index"

    @property
    def home(self) -> Path:
        """The private home of another agent's program that works here."""
        return self.directory / f"{self.number}.home"

    @property
    def temp(self) -> Path:
        """What the candidate's commands see as `/tmp`; it lasts as long as the candidate."""
        return self.directory / f"{self.number}.tmp"


def prepare_worktree(repository: Repository, paths: CandidatePaths) -> None:
    """Make the candidate's worktree and private git, and its branch unless it continues earlier steps.

    Raises RepoError when the disk is full or the branch exists; what was made until then is removed.
    """
    paths.directory.mkdir(parents=True, exist_ok=True)
    paths.temp.mkdir(mode=0o700, exist_ok=True)
    start = refs.read_ref(repository, paths.branch) or paths.base
    worktree.add_worktree(
        repository,
        paths.worktree,
        branch=paths.branch.removeprefix("refs/heads/"),
        start=start,
        reason=f"git-mimo session {paths.session} candidate {paths.number}",
    )
    try:
        snapshot.adopt_checkout(repository, paths.worktree, base=paths.base, index=paths.index)
        _hide_records(paths)
        agent_repo.make_agent_repo(
            repository,
            paths.private_git,
            paths.base,
            work_tree=paths.worktree,
            checked_out=paths.index,
        )
    except (MimoError, OSError):
        remove_candidate(repository, paths)
        raise


def _hide_records(paths: CandidatePaths) -> None:
    """Take the step records out of the files: they are on the branch, and the agent has its history without them."""
    records = paths.worktree / TRAJECTORY
    if records.is_dir() and not records.parent.is_symlink():
        shutil.rmtree(records)
        with contextlib.suppress(OSError):
            records.parent.rmdir()  # only where the project has no `.mimo/` of its own


def remove_candidate(repository: Repository, paths: CandidatePaths) -> None:
    """Remove the worktree and its other files; the branch and its commits stay."""
    worktree.remove_worktree(repository, paths.worktree)
    for path in (paths.private_git, paths.home, paths.temp):
        remove_tree(path, ignore_errors=True)
    snapshot.forget_snapshots(paths.index)


def clear_session(repository: Repository, session: SessionId, directory: Path) -> None:
    """Remove the worktrees and files of a session whose process is gone; the caller holds the session's lock.

    Branches and their commits stay. NeedsPerson when a process still works in there.
    """
    if not directory.is_dir():
        return
    _wait_for_death(directory)
    worktree.sweep_worktrees(repository)
    foreign = set()
    for each in worktree.list_worktrees(repository):
        if each.path.parent.resolve() != directory.resolve():
            continue
        if each.is_ours:
            keep_unfinished(repository, session, each)
            worktree.remove_worktree(repository, each.path)
        else:
            foreign.add(each.path.name)
    for path in directory.iterdir():
        if _OURS.match(path.name) and path.name not in foreign:
            remove_tree(path, ignore_errors=True)
    with contextlib.suppress(OSError):
        directory.rmdir()


def keep_unfinished(repository: Repository, session: SessionId, found: worktree.Worktree) -> None:
    """Keep what a candidate had changed since its last step under a private ref, unless there is nothing."""
    if found.head is None or not found.path.name.isdigit() or not found.path.is_dir():
        return
    try:
        files = snapshot.snapshot_once(repository, found.path, base=found.head).tree
    except MimoError:
        return  # what can't be read is no work; the steps are on the branch
    before = repository.tree_of(found.head)
    whole = with_mimo_from(repository, files, before)
    if whole == before:
        return
    message = f"mimo: unfinished step of {session}\n"
    made = commit.write_commit(repository, tree=whole, parents=(found.head,), message=message)
    ref = f"{UNFINISHED}{session}/{found.path.name}"
    refs.update_ref(repository, ref, made, expected=refs.read_ref(repository, ref), reason="mimo: unfinished step")


def _wait_for_death(directory: Path) -> None:
    limit = time.monotonic() + _DEATH_S
    while left := processes_in(directory):
        if time.monotonic() > limit:
            listed = " ".join(str(pid) for pid in left)
            raise NeedsPerson(f"processes still work in `{directory}`: {listed}", hint=f"kill {listed}")
        time.sleep(0.05)
