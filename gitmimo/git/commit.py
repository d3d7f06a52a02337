"""Internal commits, trailers in their messages, and the git notes on objects."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from gitmimo.errors import RefMoved, RepoError
from gitmimo.git.gc_lock import hold_off_gc
from gitmimo.git.refs import read_ref, update_ref
from gitmimo.git.repository import FILE, TREE, Repository
from gitmimo.git.run import run_git
from gitmimo.git.trees import edit_tree, empty_tree
from gitmimo.ids import NOTES_REF, Oid

_TRAILER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*\Z")
_TRIES = 20
_REASON = "mimo: note"


def write_commit(repository: Repository, *, tree: Oid, parents: Sequence[Oid], message: str) -> Oid:
    """Store a commit in the user's name; no ref moves, no hook runs, nothing is signed.

    Without a process of git's, for each step makes one. RepoError where the tree or a parent is not there.
    """
    for needed in (tree, *parents):
        repository.tree_of(needed)
    head = [f"tree {tree}", *(f"parent {parent}" for parent in parents)]
    head += [f"{role} {repository.ident(role)}" for role in ("author", "committer")]
    text = message.replace("\0", "").encode(errors="replace").decode().rstrip("\n")
    data = "\n".join([*head, "", text, ""]).encode(errors="surrogateescape")
    return repository.write_commit(data)


def write_final_commit(repository: Repository, *, tree: Oid, parents: Sequence[Oid], message: str) -> Oid:
    """Store a commit by the user's git, signed where commit.gpgSign says so; no ref moves and no hook runs."""
    wants_signature = repository.run("config", "--type=bool", "commit.gpgSign", check=False, user_hooks=True)
    sign = ["-S"] if wants_signature.text == "true" else []
    chain = [word for parent in parents for word in ("-p", parent)]
    text = message.replace("\0", "").rstrip("\n").encode(errors="replace") + b"\n"
    switches = ("-c", "i18n.commitEncoding=UTF-8")
    return Oid(repository.run(*switches, "commit-tree", *sign, *chain, tree, input=text, user_hooks=True).text)


def add_trailers(message: str, trailers: Mapping[str, str]) -> str:
    """Return the message with these trailers; each replaces an older one of its name."""
    args = ["interpret-trailers", "--no-divider", "--if-exists=replace", "--where=end"]
    for name, value in trailers.items():
        if not _TRAILER_NAME.match(name):
            raise RepoError(f"not a usable trailer name: `{name}`")
        args += ["--trailer", f"{name}: {' '.join(value.split())}"]
    return _run_outside(args, message.rstrip("\n") + "\n")


def read_trailers(message: str) -> dict[str, str]:
    """Return a message's trailers; of several with one name, the last."""
    text = _run_outside(["interpret-trailers", "--no-divider", "--parse"], message)
    pairs = (line.partition(": ") for line in text.splitlines())
    return {name: value for name, _, value in pairs}


def _run_outside(args: Sequence[str], message: str) -> str:
    """Run where there is no repository: its configuration could name a command for a trailer."""
    return run_git(
        args, cwd=Path("/"), git_dir=Path(os.devnull), input=message.encode(errors="replace")
    ).stdout.decode()


def write_note(repository: Repository, target: Oid, data: str) -> None:
    """Set the note of an object, replacing an older one; other writers' notes survive."""
    with hold_off_gc(repository):
        _write(repository, target, repository.write_blob(data.encode(errors="surrogateescape")))


def _write(repository: Repository, target: Oid, blob: Oid) -> None:
    for _ in range(_TRIES):
        tip = read_ref(repository, NOTES_REF)
        tree = repository.tree_of(tip) if tip is not None else empty_tree(repository)
        path = _find_path(repository, tree, target) or f"{target[:2]}/{target[2:]}"
        changed = edit_tree(repository, tree, {path: (blob, FILE)})
        if tip is not None and changed == tree:
            return
        made = write_commit(repository, tree=changed, parents=[tip] if tip is not None else [], message=_REASON)
        try:
            update_ref(repository, NOTES_REF, made, expected=tip, reason=_REASON)
        except RefMoved:
            continue
        return
    raise RepoError(f"too many writers at once: `{NOTES_REF}`", hint="try again")


def read_note(repository: Repository, target: Oid) -> str | None:
    """Return the note of an object; None without one."""
    tip = read_ref(repository, NOTES_REF)
    path = _find_path(repository, repository.tree_of(tip), target) if tip is not None else None
    data = repository.read_blob(tip, path) if tip is not None and path is not None else None
    return None if data is None else data.decode(errors="surrogateescape")


def _find_path(repository: Repository, tree: Oid, target: Oid) -> str | None:
    """Find the note wherever git or we put it: names are split after two digits, any number of times."""
    prefix, rest = "", str(target)
    while True:
        entries = repository.read_tree(tree)
        if rest in entries:
            return prefix + rest
        below = entries.get(rest[:2])
        if below is None or below.mode != TREE:
            return None
        tree, prefix, rest = below.oid, f"{prefix}{rest[:2]}/", rest[2:]
