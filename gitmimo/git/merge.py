"""Merges: in memory for deciding, and at the end into the user's branch."""

from gitmimo.errors import MergeConflict, RepoError
from gitmimo.git.binary import GitFailed
from gitmimo.git.repository import Repository
from gitmimo.records import Oid


def merge_in_memory(repository: Repository, *, ours: Oid, theirs: Oid) -> Oid:
    """Return the tree of the merge as git would make it; no file, index or ref is touched.

    MergeConflict names the paths that need a person.
    """
    done = repository.run("merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", ours, theirs, check=False)
    fields = done.text.split("\0")
    if done.exit_code == 0:
        return Oid(fields[0].strip())
    if done.exit_code == 1:
        raise MergeConflict(sorted({path for path in fields[1:] if path}))
    if "unrelated histories" in done.stderr:
        raise RepoError("the two commits have no common history", hint="git fetch --unshallow")
    raise GitFailed(["merge-tree"], exit_code=done.exit_code, stderr=done.stderr)
