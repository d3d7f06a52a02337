"""Provenance in the form of git-ai's authorship notes, for tools that read those: which lines a session wrote."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gitmimo import __version__
from gitmimo.errors import RepoError
from gitmimo.git.commit import read_trailers
from gitmimo.git.edit import empty_tree
from gitmimo.git.patch import added_lines
from gitmimo.git.repository import Repository
from gitmimo.records import Oid, is_session_id

SCHEMA = "authorship/3.0.0"
NOTES = "refs/notes/ai"
MOST_COMMITS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """Which commits got a note, and which keep the one that somebody else wrote."""

    written: tuple[Oid, ...]
    kept: tuple[Oid, ...]


def export_authorship(repository: Repository, rev: str, *, replace: bool = False) -> Exported:
    """Write a note in `refs/notes/ai` on every change commit of a session that `rev` reaches, newest first.

    A commit or a range. Notes of others stay unless `replace`. Prompts and messages are not exported.
    """
    span = rev if ".." in rev else repository.resolve(rev)
    listed = repository.run(
        "rev-list", "--no-merges", f"--max-count={MOST_COMMITS}", "--grep=^Mimo-Candidate: ", "--end-of-options", span
    ).text
    written: list[Oid] = []
    kept: list[Oid] = []
    for commit in map(Oid, listed.splitlines()):
        text = authorship_note(repository, commit)
        if text is None:
            continue
        held = repository.run("notes", f"--ref={NOTES}", "show", commit, check=False)
        if held.exit_code == 0 and not replace:
            kept.append(commit)
            continue
        data = text.encode("utf-8", "surrogateescape")
        repository.run("notes", f"--ref={NOTES}", "add", "--force", "--file=-", commit, input=data)
        written.append(commit)
    return Exported(written=tuple(written), kept=tuple(kept))


def authorship_note(repository: Repository, commit: Oid) -> str | None:
    """The note's text; None for a commit that no session made or that adds no line outside `.mimo/`."""
    message = repository.run("log", "-n1", "--format=%an <%ae>%x00%B", commit).text
    author, _, body = message.partition("\0")
    trailers = read_trailers(body)
    session = trailers.get("Mimo-Session", "")
    if not is_session_id(session):
        return None
    parents = repository.run("rev-list", "--parents", "-n1", commit).text.split()[1:]
    before = Oid(parents[0]) if parents else empty_tree(repository)
    files: dict[str, list[int]] = {}
    for line in added_lines(repository, before, commit):
        if not line.path.startswith(".mimo/"):
            files.setdefault(line.path, []).append(line.number)
    if not files:
        return None
    key = hashlib.sha256(f"git-mimo:{session}".encode()).hexdigest()[:16]
    total = sum(len(numbers) for numbers in files.values())
    model = trailers.get("Assisted-by", "").removeprefix("git-mimo:") or "unknown"
    prompt = {
        "agent_id": {"tool": "git-mimo", "id": session, "model": model},
        "human_author": author,
        "messages": [],
        "total_additions": total,
        "total_deletions": 0,
        "accepted_lines": total,
        "overriden_lines": 0,  # spelt so in that format
    }
    head = {
        "schema_version": SCHEMA,
        "git_ai_version": f"git-mimo {__version__}",
        "base_commit_sha": commit,
        "prompts": {key: prompt},
    }
    lines = [f"{_path(path)}\n  {key} {ranges(numbers)}" for path, numbers in sorted(files.items())]
    return "\n".join(lines) + "\n---\n" + json.dumps(head, indent=2) + "\n"


def ranges(numbers: Sequence[int]) -> str:
    """Line numbers in order, runs as `from-to`."""
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in _runs(numbers))


def _runs(numbers: Iterable[int]) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for number in sorted(set(numbers)):
        if runs and runs[-1][1] == number - 1:
            runs[-1] = runs[-1][0], number
        else:
            runs.append((number, number))
    return runs


def _path(path: str) -> str:
    """A path on one line, quoted where it holds white space; that format knows no other odd name."""
    if "\n" in path or '"' in path:
        raise RepoError(f"git-ai's form cannot hold this file name: {path!r}")
    return f'"{path}"' if any(char.isspace() for char in path) else path
