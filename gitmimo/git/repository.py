"""A repository: where its parts lie, and reading commits, trees and blobs from it."""

import os
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pygit2

from gitmimo.errors import BareRepository, NoCommits, NotARepository, RepoError
from gitmimo.git.binary import GitResult, check_git_version, check_outside_name, run_git
from gitmimo.git.identity import Ident, read_ident
from gitmimo.git.objects import GITLINK, LINK, TREE, Entry, format_tree, parse_tree
from gitmimo.git.shim import make_shim, opens_in_libgit2
from gitmimo.git.user_rules import UserRules, filters_named, read_user_rules
from gitmimo.records import Oid

# Honoured once, on entry: they say which repository the user means
_ENTRY_NAMES = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_COMMON_DIR",
    "GIT_CEILING_DIRECTORIES",
    "GIT_DISCOVERY_ACROSS_FILESYSTEM",
)
_FULL_ID = re.compile(r"[0-9a-f]{40}\Z")


@dataclass(frozen=True, kw_only=True)
class Repository:
    """One repository seen from one checkout. Threads may share it: each gets its own libgit2 handle.

    `git_dir` is the checkout's own directory, `common_dir` the one that all worktrees share. `uses_binary_refs` says
    that libgit2 can't read the refs (reftable, partial clone): then refs go through git and objects through a shim.
    """

    git_dir: Path
    common_dir: Path
    work_tree: Path | None
    is_bare: bool = False
    uses_binary_refs: bool = False
    _local: threading.local = field(default_factory=threading.local, repr=False, compare=False)
    _shared: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def discover(cls, start: Path, *, environ: Mapping[str, str] | None = None) -> "Repository":
        """Find the repository that git itself would use in this directory, GIT_DIR and GIT_WORK_TREE included.

        NotARepository, GitTooOld, or RepoError with git's own words, for example on unsafe ownership.
        """
        check_git_version()
        source = os.environ if environ is None else environ
        entry = {name: source[name] for name in _ENTRY_NAMES if name in source}

        def ask(*flags: str) -> GitResult:
            return run_git(["rev-parse", "--path-format=absolute", *flags], cwd=start, env=entry, check=False)

        facts = ask("--is-bare-repository", "--show-object-format", "--git-dir", "--git-common-dir")
        if facts.exit_code:
            _refuse(start, facts)
        is_bare, object_format, *paths = facts.text.split("\n")
        if object_format != "sha1":
            raise RepoError(
                f"the repository names objects by {object_format}, which git-mimo cannot read",
                hint="use a clone that was made with --object-format=sha1",
            )
        if len(paths) != 2:  # a line feed in a name
            paths = [ask("--git-dir").text, ask("--git-common-dir").text]
        top = ask("--show-toplevel")
        return cls(
            git_dir=Path(paths[0]),
            common_dir=Path(paths[1]),
            work_tree=None if top.exit_code else Path(top.text),
            is_bare=is_bare == "true",
            uses_binary_refs=not opens_in_libgit2(Path(paths[0])),
        )

    @property
    def state_dir(self) -> Path:
        """Where git-mimo keeps what may vanish; not made here."""
        return self.common_dir / "mimo"

    @property
    def is_shallow(self) -> bool:
        return (self.common_dir / "shallow").exists()

    @property
    def has_bare_main(self) -> bool:
        """Whether the shared directory has no checkout of its own, though linked worktrees may exist."""
        if "bare" not in self._shared:
            # asked without a work tree, which would answer for itself
            said = run_git(["config", "--bool", "core.bare"], git_dir=self.common_dir, cwd=self.common_dir, check=False)
            self._shared["bare"] = said.text == "true"
        return bool(self._shared["bare"])

    def require_work_tree(self) -> Path:
        """Return the checkout; BareRepository when there is none."""
        if self.work_tree is not None:
            return self.work_tree
        if self.is_bare:
            raise BareRepository(
                f"the repository has no checkout: `{self.common_dir}`", hint="run it in a clone or a worktree"
            )
        raise BareRepository(f"not inside a checkout but in its git directory: `{self.git_dir}`", hint="cd ..")

    def run(self, *args: str | Path, **options: Any) -> GitResult:
        """Run git on this repository, from its checkout where it has one; options are `run_git`'s."""
        options.setdefault("cwd", self.work_tree or self.git_dir)
        options.setdefault("git_dir", self.git_dir)
        if self.work_tree is not None:
            options.setdefault("work_tree", self.work_tree)
        return run_git(args, **options)

    @property
    def pygit(self) -> pygit2.Repository:
        """This thread's libgit2 handle. Never use its index, checkout or status: those are the user's."""
        handle: pygit2.Repository | None = getattr(self._local, "handle", None)
        if handle is None:
            where = make_shim(self.common_dir, self.state_dir) if self.uses_binary_refs else self.git_dir
            try:
                handle = pygit2.Repository(str(where))
            except pygit2.GitError as exc:
                raise RepoError(f"libgit2 cannot open the repository: {exc}: `{where}`") from exc
            self._local.handle = handle
        return handle

    def resolve(self, rev: str) -> Oid:
        """Return the commit that a revision names. NoCommits when HEAD is unborn, RepoError when nothing answers."""
        check_outside_name(rev, what="revision")
        if _FULL_ID.match(rev):
            found = self.pygit.get(rev)
            if isinstance(found, pygit2.Commit):
                return Oid(rev)
        done = self.run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{rev}^{{commit}}", check=False)
        if done.exit_code == 0:
            return Oid(done.text)
        if self.run("rev-parse", "--verify", "--quiet", "HEAD", check=False).exit_code:
            raise NoCommits("the repository has no commit yet", hint='git commit --allow-empty -m "first commit"')
        raise RepoError(f"not a commit: `{rev}`", hint="git fetch --unshallow" if self.is_shallow else "")

    def tree_of(self, rev: str) -> Oid:
        """Return the tree of a commit or of any revision; a tree's own id stands for itself."""
        if _FULL_ID.match(rev):
            found = self.pygit.get(rev)
            if isinstance(found, pygit2.Commit):
                return Oid(str(found.tree_id))
            if isinstance(found, pygit2.Tree):
                return Oid(rev)
        check_outside_name(rev, what="revision")
        done = self.run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{rev}^{{tree}}", check=False)
        return Oid(done.text) if done.exit_code == 0 else self.tree_of(self.resolve(rev))

    def read_tree(self, tree: Oid, prefix: str = "") -> dict[str, Entry]:
        """Return a tree's own entries by name, their paths below `prefix`; git fetches what a partial clone lacks."""
        try:
            kind, data = self.pygit.read(tree)
        except KeyError:
            return parse_tree(self.run("cat-file", "tree", tree).stdout, prefix)
        if kind != pygit2.enums.ObjectType.TREE:
            raise RepoError(f"not a tree: `{tree}`")
        return parse_tree(data, prefix)

    def write_tree(self, entries: Iterable[Entry]) -> Oid:
        """Store a tree object. Names are the caller's to check: see `tree.check_tree_path`."""
        return Oid(str(self.pygit.write(pygit2.enums.ObjectType.TREE, format_tree(entries))))

    def write_blob(self, data: bytes) -> Oid:
        """Store a blob object."""
        return Oid(str(self.pygit.write(pygit2.enums.ObjectType.BLOB, data)))

    def find_entry(self, rev: str, path: str) -> Entry | None:
        """Return what the commit or tree holds at the path: a file, link, gitlink or tree."""
        tree = self.tree_of(rev)
        *parents, name = path.split("/")
        for parent in parents:
            below = self.read_tree(tree).get(parent)
            if below is None or below.mode != TREE:
                return None
            tree = below.oid
        found = self.read_tree(tree).get(name)
        return None if found is None else Entry(path, found.mode, found.oid)

    def read_blob(self, rev: str, path: str) -> bytes | None:
        """Return a file's bytes, or a link's target, from a commit or tree; None when no such file is there."""
        entry = self.find_entry(rev, path)
        return None if entry is None or entry.mode in (TREE, GITLINK) else self.read_object(entry.oid)

    def read_object(self, oid: Oid) -> bytes:
        """Return a blob's bytes; git fetches what a partial clone lacks."""
        try:
            return self.pygit.read(oid)[1]
        except KeyError:
            return self.run("cat-file", "blob", oid).stdout

    def list_paths(self, rev: str, *, enter: Callable[[str], bool] = lambda _: True) -> list[Entry]:
        """Return every file, link and gitlink of a commit or tree, in git's order.

        `enter` is asked with each directory's path and says whether to look into it.
        """
        entries: list[Entry] = []
        waiting = list(reversed(self.read_tree(self.tree_of(rev)).values()))
        while waiting:
            entry = waiting.pop()
            if entry.mode != TREE:
                entries.append(entry)
            elif enter(entry.path):
                waiting += reversed(self.read_tree(entry.oid, f"{entry.path}/").values())
        return entries

    def head_branch(self) -> str | None:
        """Return the short name of the branch that is checked out, born or not; None on a detached HEAD."""
        done = self.run("symbolic-ref", "--quiet", "HEAD", check=False)
        return done.text.removeprefix("refs/heads/") if done.exit_code == 0 else None

    def author_ident(self) -> Ident:
        """Return the user as author, now. RepoError with the remedy when git knows no name."""
        return self._ident("GIT_AUTHOR_IDENT", "GIT_AUTHOR_DATE")

    def committer_ident(self) -> Ident:
        """Return the user as committer, now. RepoError with the remedy when git knows no name."""
        return self._ident("GIT_COMMITTER_IDENT", "GIT_COMMITTER_DATE")

    def find_mover(self) -> Ident | None:
        """Return who moves refs; None where git knows no name, since a reflog is no reason to fail."""
        try:
            return self.committer_ident()
        except RepoError:
            return None

    @property
    def snapshots(self) -> dict[Path, object]:
        """What `snapshot` remembers of each directory between its calls; may vanish."""
        found: dict[Path, object] = self._shared.setdefault("snapshots", {})
        return found

    @property
    def user_rules(self) -> UserRules:
        """The user's own ignore rules and filters, read once: what is written later in their place has no say."""
        if "rules" not in self._shared:
            self._shared["rules"] = read_user_rules(self.common_dir)
        found: UserRules = self._shared["rules"]
        return found

    def filters_of(self, rev: str) -> frozenset[str]:
        """Return the names of the filters that a commit's attributes use, or the user's own attributes."""
        if not self.user_rules.has_filters:
            return frozenset()
        files = (e for e in self.list_paths(rev) if e.path.rpartition("/")[2] == ".gitattributes" and e.mode != LINK)
        named = (filters_named(self.read_object(entry.oid)) for entry in files)
        return self.user_rules.filters_used.union(*named)

    def _ident(self, variable: str, date_name: str) -> Ident:
        if variable not in self._shared:
            self._shared[variable] = read_ident(variable, git_dir=self.git_dir)
        found: Ident = self._shared[variable]
        return found if date_name in os.environ else found.now()


def _refuse(start: Path, facts: GitResult) -> None:
    said = facts.stderr.strip()
    if "not a git repository" in said:
        raise NotARepository(f"not a git repository: `{start}`", hint="git init")
    raise RepoError(said.removeprefix("fatal: ") or f"git cannot read the repository: `{start}`")
