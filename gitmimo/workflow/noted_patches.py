"""Patches by their stable ids: of commits, and of everything that notes speak of, remembered between calls."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from gitmimo.git.repository import Repository
from gitmimo.records import Oid
from gitmimo.workflow.evidence_notes import DamagedNote, note_blobs, parse_note

_SCHEMA = "git-mimo/patches/1"


def noted_patches(repository: Repository) -> dict[str, Oid]:
    """Map every known patch to an object whose note speaks of it: noted commits, as they stand against their
    evidence's base, and the branches that notes name.

    What was found out about a note is kept beside the journals, so that a pull costs no more with many notes.
    """
    blobs = note_blobs(repository)
    known = _read_cache(repository)
    keys = {f"{blob} {target}": (blob, target) for blob, target in blobs}
    present = set(commits_among(repository, list(dict.fromkeys(target for _, target in blobs))))
    found = {
        key: known[key]
        for key, (_, target) in keys.items()
        if key in known and (known[key][0] or target not in present)
    }
    fresh = {key: pair for key, pair in keys.items() if key not in found}
    if fresh:
        found |= _look(repository, fresh, present)
    if fresh or len(known) != len(found):
        _write_cache(repository, found)
    return {patch: keys[key][1] for key, (_, patches) in reversed(found.items()) for patch in patches}


def patch_ids(repository: Repository, commits: Mapping[Oid, Oid | None]) -> dict[Oid, str]:
    """Return the stable id of each commit's patch against the given commit or its parent, `.mimo/` left out.

    Merges without a given commit and empty patches have none.
    """
    if not commits:
        return {}
    asked = "".join(f"{commit} {against}\n" if against else f"{commit}\n" for commit, against in commits.items())
    patches = repository.run(
        *("diff-tree", "--stdin", "--root", "-r", "-p", "--no-color", "--no-ext-diff", "--no-textconv"),
        *("--no-renames", "--full-index", "--", ".", ":(top,exclude).mimo"),
        input=asked.encode(),
    ).stdout
    said = repository.run("patch-id", "--stable", input=patches).text
    pairs = (line.split() for line in said.splitlines())
    return {Oid(pair[1]): pair[0] for pair in pairs if len(pair) == 2}


def commits_among(repository: Repository, objects: Sequence[Oid]) -> list[Oid]:
    """Keep those that are commits of this clone."""
    if not objects:
        return []
    asked = "\n".join(objects).encode() + b"\n"
    said = repository.run("cat-file", "--batch-check=%(objectname) %(objecttype)", input=asked).text
    return [Oid(line.partition(" ")[0]) for line in said.splitlines() if line.endswith(" commit")]


def _look(
    repository: Repository, fresh: Mapping[str, tuple[Oid, Oid]], present: set[Oid]
) -> dict[str, tuple[bool, list[str]]]:
    """Read notes; say of each whether its commit could be compared, and its patches."""
    named: dict[str, list[str]] = {}
    against: dict[Oid, Oid] = {}
    for key, (blob, target) in fresh.items():
        named[key] = []
        try:
            note = parse_note(repository.read_object(blob).decode("utf-8", "surrogateescape"), target)
        except DamagedNote:
            continue  # vouches for nothing
        named[key] += note.patches
        if target in present:
            against[target] = note.evidence.base
    bases = set(commits_among(repository, list(dict.fromkeys(against.values()))))
    ids = patch_ids(repository, {target: base for target, base in against.items() if base in bases})
    return {
        key: (target in against and against[target] in bases, [*named[key], *filter(None, [ids.get(target)])])
        for key, (_, target) in fresh.items()
    }


def _cache_path(repository: Repository) -> Path:
    return repository.state_dir / "noted-patches.json"


def _read_cache(repository: Repository) -> dict[str, tuple[bool, list[str]]]:
    try:
        value = json.loads(_cache_path(repository).read_text(encoding="utf-8"))
        if value["schema"] != _SCHEMA:
            return {}
        return {
            str(key): (bool(done), [str(patch) for patch in patches]) for key, (done, patches) in value["notes"].items()
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}  # only a cache


def _write_cache(repository: Repository, found: Mapping[str, tuple[bool, list[str]]]) -> None:
    path = _cache_path(repository)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps({"schema": _SCHEMA, "notes": found}), encoding="utf-8")
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
