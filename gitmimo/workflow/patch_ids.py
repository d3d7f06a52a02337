"""Patches by their stable ids, and the cache of what was found out about noted ones."""

import contextlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from gitmimo.files import write_file
from gitmimo.git.repository import Repository
from gitmimo.records import Oid

_SCHEMA = "git-mimo/patches/1"


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


def _cache_path(repository: Repository) -> Path:
    return repository.state_dir / "noted-patches.json"


def read_cache(repository: Repository) -> dict[str, tuple[bool, list[str]]]:
    """What was found out about notes before, by note: whether its commit could be compared, and its patches."""
    try:
        value = json.loads(_cache_path(repository).read_text(encoding="utf-8"))
        if value["schema"] != _SCHEMA:
            return {}
        return {
            str(key): (bool(done), [str(patch) for patch in patches]) for key, (done, patches) in value["notes"].items()
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}  # only a cache


def write_cache(repository: Repository, found: Mapping[str, tuple[bool, list[str]]]) -> None:
    """Keep what was found out; without room for it the next call does the work again."""
    path = _cache_path(repository)
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, json.dumps({"schema": _SCHEMA, "notes": found}))
