"""A repository: where its parts lie, and reading commits, trees and blobs from it."""

import os
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pygit2

from gitmimo.errors import NoCommits, RepoError
from gitmimo.git.binary import GitResult, check_outside_name, run_git
from gitmimo.git.hold import Hold
from gitmimo.git.identity import Ident, read_ident
from gitmimo.git.objects import GITLINK, LINK, TREE, Entry, format_tree, parse_tree, sort_entries
from gitmimo.git.place import find_place, require_work_tree, state_dir_of
from gitmimo.git.shim import make_shim, opens_in_libgit2
from gitmimo.git.user_rules import UserRules, filters_named, read_user_rules
from gitmimo.records import Oid

_KINDS = {kind.name.lower(): kind for kind in (pygit2.enums.ObjectType.BLOB, pygit2.enums.ObjectType.TREE)}
_WRITE_TRIES = 20
_TREES_KEPT, _MOST_ENTRIES_KEPT = 32, 2000
_KEPT_LISTINGS = 2
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
        place = find_place(start, environ=environ)
        return cls(
            git_dir=place.git_dir,
            common_dir=place.common_dir,
            work_tree=place.work_tree,
            is_bare=place.is_bare,
            uses_binary_refs=not opens_in_libgit2(place.git_dir),
        )

    @property
    def state_dir(self) -> Path:
        """Where git-mimo keeps what may vanish; not made here."""
        return state_dir_of(self.common_dir)

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
        return require_work_tree(self)

    def run(self, *args: str | Path, **options: Any) -> GitResult:
        """Run git on this repository, from its checkout where it has one; options are `run_git`'s."""
        options.setdefault("cwd", self.work_tree or self.git_dir)
        options.setdefault("git_dir", self.git_dir)
        if self.work_tree is not None:
            options.setdefault("work_tree", self.work_tree)
        if self.hold is not None and not options.get("user_hooks"):
            options["env"] = {**self.hold_environment, **(options.get("env") or {})}
        return run_git(args, **options)

    @property
    def hold(self) -> Hold | None:
        """Where objects get their second names while a command writes them; None outside `holding.hold_objects`."""
        return self._shared.get("hold")

    def begin_hold(self, hold: Hold | None) -> None:
        """Write into this hold from now on, or into none."""
        self._shared["hold"] = hold

    @property
    def hold_environment(self) -> dict[str, str]:
        """What lets a git of ours find held objects that a gc took meanwhile."""
        if self.hold is None:
            return {}
        place = str(self.hold.directory)
        quoted = '"' + place.replace("\\", "\\\\").replace('"', '\\"') + '"'
        return {"GIT_ALTERNATE_OBJECT_DIRECTORIES": quoted if {":", '"'} & set(place) else place}

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
        hold = self.hold
        if hold is not None and getattr(self._local, "hold", None) is not hold:
            handle.odb.add_disk_alternate(str(hold.directory))
            self._local.hold = hold
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

    def read_tree(self, tree: Oid, prefix: str = "") -> Mapping[str, Entry]:
        """Return a tree's own entries by name, their paths below `prefix`; git fetches what a partial clone lacks."""
        known = None if prefix else self._trees.pop(tree, None)
        if known is not None:
            return self._keep_tree(tree, known)
        try:
            kind, data = self.pygit.read(tree)
        except KeyError:
            return parse_tree(self.run("cat-file", "tree", tree).stdout, prefix)
        if kind != pygit2.enums.ObjectType.TREE:
            raise RepoError(f"not a tree: `{tree}`")
        entries = parse_tree(data, prefix)
        return entries if prefix else self._keep_tree(tree, entries)

    def write_tree(self, entries: Iterable[Entry]) -> Oid:
        """Store a tree object. Names are the caller's to check: see `tree.check_tree_path`."""
        held = sort_entries(entries)
        tree = self.write_object("tree", format_tree(held))
        self._keep_tree(tree, {entry.path: entry for entry in held})
        return tree

    @property
    def _trees(self) -> dict[Oid, Mapping[str, Entry]]:
        """Trees that were read or written lately, the last one at the end: a step reads those of the step before."""
        found: dict[Oid, Mapping[str, Entry]] = self._shared.setdefault("trees", {})
        return found

    def _keep_tree(self, tree: Oid, entries: Mapping[str, Entry]) -> Mapping[str, Entry]:
        if len(entries) <= _MOST_ENTRIES_KEPT:
            self._trees[tree] = entries
        for oldest in list(self._trees)[:-_TREES_KEPT]:
            self._trees.pop(oldest, None)
        return entries

    def write_blob(self, data: bytes) -> Oid:
        """Store a blob object."""
        return self.write_object("blob", data)

    def write_object(self, kind: str, data: bytes) -> Oid:
        """Store an object of a kind that git names; RepoError when the disk won't have it."""
        oid = written(lambda: Oid(str(self.pygit.write(_KINDS[kind], data))))
        if self.hold is not None:
            self.hold.add(oid, kind=kind, data=data)
        return oid

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

    def list_paths(self, rev: str, *, enter: Callable[[str], bool] | None = None) -> list[Entry]:
        """Return every file, link and gitlink of a commit or tree, in git's order.

        `enter` is asked with each directory's path and says whether to look into it. The last whole listings are
        kept: a session asks for its base's again and again, which in a large repository takes a second each time.
        """
        tree = self.tree_of(rev)
        if enter is not None:
            return self._walk_tree(tree, enter)
        kept: dict[Oid, list[Entry]] = self._shared.setdefault("listings", {})
        found = kept.get(tree)
        if found is None:
            found = self._walk_tree(tree, lambda _: True)
            for oldest in list(kept)[: 1 - _KEPT_LISTINGS]:
                kept.pop(oldest, None)
            kept[tree] = found
        return list(found)

    def _walk_tree(self, tree: Oid, enter: Callable[[str], bool]) -> list[Entry]:
        entries: list[Entry] = []
        waiting = [*self.read_tree(tree).values()][::-1]
        while waiting:
            entry = waiting.pop()
            if entry.mode != TREE:
                entries.append(entry)
            elif enter(entry.path):
                waiting += [*self.read_tree(entry.oid, f"{entry.path}/").values()][::-1]
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
    def absent(self) -> dict[Path, frozenset[str]]:
        """The paths that a sparse checkout left out, by the index of its snapshots; must not vanish before them."""
        found: dict[Path, frozenset[str]] = self._shared.setdefault("absent", {})
        return found

    def clean_files_with(self, clean: Callable[[bytes, Callable[[], bytes]], bytes]) -> None:
        """Let `clean` see each new file of a snapshot first; it gets the content, and how to read the one before."""
        self._shared["clean"] = clean

    def clean_file(self, data: bytes, before: Oid | None) -> bytes:
        """A file's content as it may be stored."""
        clean = self._shared.get("clean")
        return data if clean is None else clean(data, lambda: self.read_object(before) if before else b"")

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


def written(write: Callable[[], Oid], *, what: str = "an object") -> Oid:
    """Write an object by libgit2, and again where a prune has just removed its directory as empty; RepoError else."""
    for attempt in range(_WRITE_TRIES):
        try:
            return write()
        except (pygit2.GitError, OSError, KeyError, ValueError) as exc:
            if attempt == _WRITE_TRIES - 1 or "No such file" not in str(exc):
                raise RepoError(f"cannot write {what}: {exc}") from exc
    raise AssertionError("not reached")
