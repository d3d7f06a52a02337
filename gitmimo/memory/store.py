"""The project's memory: facts read from a commit, and changes to them as files for the caller to commit."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from gitmimo.errors import BadMemory
from gitmimo.git.objects import TREE
from gitmimo.git.repository import Repository
from gitmimo.memory.facts import (
    MEMORY_DIR,
    Fact,
    FactStatus,
    Origin,
    Source,
    combine,
    read_fact,
    write_fact,
)
from gitmimo.memory.index import INDEX_PATH, write_index
from gitmimo.records import Oid

ATTRIBUTES_PATH = ".mimo/.gitattributes"
ATTRIBUTES = b"""# branches that both learn merge without a conflict; the index is generated again afterwards
MEMORY.md merge=union linguist-generated
memory/*.md merge=union
skills/*/assets/outcomes.log merge=union
"""

_OLD_ATTRIBUTES = b"MEMORY.md merge=union\n"  # as `init` once wrote it

Changes = dict[str, bytes | None]
"""File contents by path, None for removal; `git.tree.put_files` takes them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """All facts of one commit, and the files that could not be read, each with the reason."""

    facts: tuple[Fact, ...]
    problems: tuple[tuple[str, str], ...] = ()

    def find(self, prefix: str) -> Fact | None:
        """Return the fact whose id starts with the prefix; BadMemory when several do."""
        found = [fact for fact in self.facts if fact.id.startswith(prefix)] if prefix else []
        if len(found) > 1:
            raise BadMemory(f"several facts begin with `{prefix}`", hint=f"git mimo memory show {found[0].id}")
        return found[0] if found else None

    def get(self, prefix: str) -> Fact:
        """Return the fact whose id starts with the prefix; BadMemory when none or several do."""
        found = self.find(prefix)
        if found is None:
            raise BadMemory(f"no such fact: `{prefix}`", hint="git mimo memory list")
        return found


def read_facts(repository: Repository, commit: str) -> tuple[Fact, ...]:
    """Return the facts of a commit or tree, those with changed sources marked stale. Damaged files are left out."""
    return read_memory(repository, commit).facts


def read_memory(repository: Repository, commit: str, *, check_sources: bool = True) -> Memory:
    """Return the facts of a commit or tree and the files that are damaged.

    With `check_sources` a fact is stale when a source is gone or its blob is another one than was recorded.
    """
    facts: dict[str, Fact] = {}
    problems: list[tuple[str, str]] = []
    for path, oid in list_files(repository, commit, MEMORY_DIR):
        if not path.endswith(".md"):
            continue
        try:
            fact = read_fact(repository.read_object(oid))
        except BadMemory as exc:
            problems.append((path, exc.message))
            continue
        facts[fact.id] = combine(facts[fact.id], fact) if fact.id in facts else fact
    known = tuple(facts[key] for key in sorted(facts))
    if check_sources:
        known = mark_stale(known, repository, commit)
    return Memory(facts=known, problems=tuple(problems))


def mark_stale(facts: Sequence[Fact], repository: Repository, commit: str) -> tuple[Fact, ...]:
    """Return the facts, those stale whose sources are not at this commit what they were."""
    find_blob = blob_finder(repository, commit)
    return tuple(
        replace(fact, status=FactStatus.STALE)
        if any(not same_blob(find_blob(source.path), source.blob) for source in fact.sources)
        else fact
        for fact in facts
    )


def blob_finder(repository: Repository, commit: str) -> Callable[[str], Oid | None]:
    """Return a function that tells which blob a path holds at the commit; asks git once for each path."""
    known: dict[str, Oid | None] = {}

    def find(path: str) -> Oid | None:
        if path not in known:
            entry = repository.find_entry(commit, path)
            known[path] = None if entry is None or entry.mode == TREE else entry.oid
        return known[path]

    return find


def same_blob(found: Oid | None, recorded: Oid) -> bool:
    """Whether a blob is the recorded one, which may be abbreviated."""
    return found is not None and found.startswith(recorded)


# --- changes ---------------------------------------------------------------------------------------------------------


def add_facts(repository: Repository, commit: str, facts: Iterable[Fact]) -> Changes:
    """Return the changes that add facts to a commit's memory; what is known already is combined, not repeated."""
    memory = read_memory(repository, commit, check_sources=False)
    known = {fact.id: fact for fact in memory.facts}
    for fact in facts:
        known[fact.id] = combine(known[fact.id], fact) if fact.id in known else fact
    return _changes_to(repository, commit, known.values())


def replace_facts(repository: Repository, commit: str, facts: Iterable[Fact]) -> Changes:
    """Return the changes that put these states in place of the same facts' states."""
    memory = read_memory(repository, commit, check_sources=False)
    known = {fact.id: fact for fact in memory.facts} | {fact.id: fact for fact in facts}
    return _changes_to(repository, commit, known.values())


def forget(repository: Repository, commit: str, prefix: str) -> Changes:
    """Return the changes that remove one fact; BadMemory when the id is not that of exactly one."""
    memory = read_memory(repository, commit, check_sources=False)
    gone = memory.get(prefix)
    return _changes_to(repository, commit, [fact for fact in memory.facts if fact.id != gone.id])


def verify(fact: Fact, repository: Repository, commit: str) -> Fact:
    """Return the fact as a person confirmed it: verified, trusted, its sources pinned to what they are now.

    A source that was renamed unchanged is followed. BadMemory when one is gone altogether.
    """
    if fact.origin is Origin.UNTRUSTED:
        raise BadMemory(
            f"the fact came from text that nobody vouches for: `{fact.id}`",
            hint="git mimo memory add, in your own words",
        )
    find_blob = blob_finder(repository, commit)
    sources: list[Source] = []
    for source in fact.sources:
        blob = find_blob(source.path)
        moved = None if blob else _find_renamed(repository, commit, source.blob)
        if blob is None and moved is None:
            raise BadMemory(f"the fact's source is gone: `{source.path}`", hint=f"git mimo memory forget {fact.id}")
        sources.append(moved or Source(path=source.path, blob=Oid(str(blob))))
    return replace(fact, status=FactStatus.VERIFIED, sources=tuple(dict.fromkeys(sources)))


def pin_sources(repository: Repository, commit: str, paths: Iterable[str]) -> tuple[Source, ...]:
    """Return the paths with the blobs they hold now; BadMemory when one is absent."""
    find_blob = blob_finder(repository, commit)
    sources = [(path, find_blob(path)) for path in dict.fromkeys(paths)]
    missing = [path for path, blob in sources if blob is None]
    if missing:
        raise BadMemory(f"no such file in the commit: `{missing[0]}`")
    return tuple(Source(path=path, blob=blob) for path, blob in sources if blob)


def rebuild_index(repository: Repository, commit: str) -> Changes:
    """Return the changes that make a tree's memory consistent: nothing when it is already.

    To be used after every merge: it generates MEMORY.md again, writes facts that a union merge left in two states as
    one, removes a second file of the same fact, and adds the attributes file.
    """
    return _changes_to(repository, commit, read_memory(repository, commit, check_sources=False).facts)


def merge_memory(repository: Repository, *, base: str | None, ours: str, theirs: str) -> Changes:
    """Return the changes to `ours` that bring in what `theirs` learned since `base`, without any text merge.

    A fact that one side forgot and the other left as it was is gone; one that the other used or verified stays.
    """
    sides = [
        {fact.id: fact for fact in read_memory(repository, side, check_sources=False).facts} if side else {}
        for side in (base, ours, theirs)
    ]
    before, left, right = sides
    kept: list[Fact] = []
    for key in sorted({*left, *right}):
        if key in left and key in right:
            kept.append(combine(left[key], right[key], base=before.get(key)))
        else:
            fact = left.get(key) or right[key]
            if before.get(key) != fact:
                kept.append(fact)
    return _changes_to(repository, ours, kept)


def attributes_change(repository: Repository, commit: str) -> Changes:
    """Return the change that lets branches merge what both learned; nothing when somebody has written the file."""
    held = repository.read_blob(commit, ATTRIBUTES_PATH)
    return {ATTRIBUTES_PATH: ATTRIBUTES} if held in (None, _OLD_ATTRIBUTES) else {}


def list_files(repository: Repository, commit: str, directory: str) -> list[tuple[str, Oid]]:
    """Return the regular files below a directory of a commit or tree; links are left out."""
    tree = repository.find_entry(commit, directory)
    if tree is None or tree.mode != TREE:
        return []
    return [
        (f"{directory}/{entry.path}", entry.oid)
        for entry in repository.list_paths(tree.oid)
        if entry.mode in (0o100644, 0o100755)
    ]


# --- helpers ---------------------------------------------------------------------------------------------------------


def _changes_to(repository: Repository, commit: str, facts: Iterable[Fact]) -> Changes:
    """Compare the wanted memory with the files that are there. Files that can't be read are left alone."""
    wanted: Changes = {fact.path: write_fact(fact) for fact in facts}
    shown = tuple(facts)
    if shown or repository.find_entry(commit, INDEX_PATH):
        wanted[INDEX_PATH] = write_index(shown)
    held = dict(list_files(repository, commit, MEMORY_DIR))
    changes: Changes = {}
    for path, oid in held.items():
        if path not in wanted and _is_readable(repository.read_object(oid)):
            changes[path] = None
    for path, data in wanted.items():
        if repository.read_blob(commit, path) != data:
            changes[path] = data
    return {**changes, **attributes_change(repository, commit)} if changes or shown else changes


def _is_readable(data: bytes) -> bool:
    try:
        read_fact(data)
    except BadMemory:
        return False
    return True


def _find_renamed(repository: Repository, commit: str, blob: Oid) -> Source | None:
    for entry in repository.list_paths(commit):
        if same_blob(entry.oid, blob) and not entry.path.startswith(".mimo/"):
            return Source(path=entry.path, blob=entry.oid)
    return None
