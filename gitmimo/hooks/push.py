"""pre-push: decide from recorded evidence whether refs may be pushed. Runs no tests and contacts no server."""

import itertools
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from gitmimo.errors import CheckError
from gitmimo.git.diff import parse_sections
from gitmimo.git.repository import Repository
from gitmimo.git.run import stream_git
from gitmimo.mimo_dir import without_mimo
from gitmimo.records import Oid, is_session_id
from gitmimo.redact import find_secrets
from gitmimo.workflow.evidence_notes import DamagedNote, find_evidence, trees_of

MAX_MIMO_FILE = 256 * 1024
MAX_MIMO_BYTES = 8 * 1024 * 1024
MAX_SCANNED_BYTES = 24 * 1024 * 1024
MAX_SCANNED_COMMITS = 1000
ALLOWED_MARKS = ("allowlist secret", "allow-secret", "gitleaks:allow", "noqa: secret")
TRAJECTORY = ".mimo/trajectory"
_ZERO = re.compile(r"0+\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class PushedRef:
    """One line of a pre-push hook's input."""

    local: str
    local_oid: str
    remote: str
    remote_oid: str

    @property
    def is_deletion(self) -> bool:
        return bool(_ZERO.match(self.local_oid))


@dataclass(frozen=True, slots=True, kw_only=True)
class Objection:
    """Why a ref must not be pushed, and what to do about it."""

    ref: str
    reason: str
    hint: str = ""


def parse_pushed(text: str, environ: Mapping[str, str]) -> tuple[PushedRef, ...]:
    """Read the hook's input; the pre-commit framework gives the same in variables."""
    refs = [PushedRef(local=a, local_oid=b, remote=c, remote_oid=d) for a, b, c, d in _input_lines(text)]
    if not refs and environ.get("PRE_COMMIT_TO_REF"):
        refs = [
            PushedRef(
                local=environ.get("PRE_COMMIT_LOCAL_BRANCH", "HEAD"),
                local_oid=environ["PRE_COMMIT_TO_REF"],
                remote=environ.get("PRE_COMMIT_REMOTE_BRANCH", "HEAD"),
                remote_oid=environ.get("PRE_COMMIT_FROM_REF") or "0" * 40,
            )
        ]
    return tuple(refs)


def check_push(
    repository: Repository,
    pushed: Sequence[PushedRef],
    *,
    remote: str,
    prefix: str = "mimo",
    known_secrets: Mapping[str, str] | None = None,
    deadline_s: float = 20.0,
) -> tuple[Objection, ...]:
    """Return the objections to a push; none when it may proceed.

    Covered: candidate branches and raw trajectories under any name, result branches without a passing verdict for
    exactly their tree, certain secrets in added lines, too much in `.mimo/`. Not covered: whether a note is honest
    (`git mimo ci` tests again), binary files, and what is beyond 1,000 commits or
    24 MB of added text.
    """
    limit = time.monotonic() + deadline_s
    found: list[Objection] = []
    for ref in pushed:
        if ref.is_deletion:
            continue
        found += _name_objections(ref, prefix)
        if ref.remote.startswith("refs/notes/") or not repository.has_object(f"{ref.local_oid}^{{commit}}"):
            continue
        span = _new_commits(repository, ref, remote)
        found += _trajectory_objections(repository, ref, span)
        found += _verdict_objections(repository, ref, prefix)
        found += _size_objections(repository, ref)
        found += _secret_objections(repository, ref, span, known_secrets or {}, limit)
    return tuple(found)


def _input_lines(text: str) -> Iterator[list[str]]:
    for line in text.splitlines():
        parts = line.split(" ")
        if len(parts) == 4:
            yield parts


def _name_objections(ref: PushedRef, prefix: str) -> Iterator[Objection]:
    if ref.remote.startswith("refs/mimo/"):
        yield Objection(
            ref=ref.remote,
            reason="private refs of git-mimo contain raw trajectories",
            hint="git mimo pr   # pushes the result and its evidence",
        )
    for name in dict.fromkeys((ref.remote, ref.local)):
        parts = name.removeprefix(f"refs/heads/{prefix}/").split("/")
        if name.startswith(f"refs/heads/{prefix}/") and len(parts) == 2 and is_session_id(parts[0]):
            yield Objection(
                ref=ref.remote,
                reason="it is a candidate's branch: raw steps, not reviewed",
                hint=f"git mimo pr {parts[0]}   # pushes the session's result",
            )
            return


def _new_commits(repository: Repository, ref: PushedRef, remote: str) -> list[str]:
    """The revision arguments for the commits that this push would add to the remote."""
    known = ref.remote_oid
    if not _ZERO.match(known) and repository.has_object(known):
        return [ref.local_oid, f"^{known}"]
    return [ref.local_oid, "--not", f"--remotes={remote}" if _is_name(remote) else "--remotes"]


def _is_name(remote: str) -> bool:
    return bool(re.fullmatch(r"[A-Za-z0-9][\w.-]*", remote))


def _trajectory_objections(repository: Repository, ref: PushedRef, span: Sequence[str]) -> Iterator[Objection]:
    touched = repository.run("rev-list", "-n1", *span, "--", TRAJECTORY).text
    if touched:
        yield Objection(
            ref=ref.remote,
            reason=f"commit {touched[:12]} contains raw trajectories (`{TRAJECTORY}`)",
            hint="git mimo pr   # pushes the result branch instead, which has none",
        )


def _verdict_objections(repository: Repository, ref: PushedRef, prefix: str) -> Iterator[Objection]:
    name = ref.remote.removeprefix(f"refs/heads/{prefix}/")
    session = name.rpartition("-")[2]
    if name == ref.remote or "/" in name or not is_session_id(session) or name.startswith("dream-"):
        return
    again = f"git mimo ci --record {ref.local.removeprefix('refs/heads/')}   # tests it and records what it finds"
    tip = Oid(ref.local_oid)
    try:
        found = find_evidence(repository, tip, by_patch=False)
    except DamagedNote as exc:
        yield Objection(ref=ref.remote, reason=exc.message, hint=again)
        return
    if found is None:
        yield Objection(ref=ref.remote, reason="nothing is known about whether its tests pass", hint=again)
        return
    evidence = found.note.evidence
    tree = without_mimo(repository, repository.tree_of(tip))
    if tree not in trees_of(repository, evidence):
        yield Objection(ref=ref.remote, reason="it has changed since its tests ran", hint=again)
    elif not evidence.passed:
        failed = ", ".join(f"{gate.name}: {gate.detail or gate.outcome.value}" for gate in evidence.failed_gates)
        yield Objection(ref=ref.remote, reason=f"its verdict is red ({failed or 'no gate ran'})", hint=again)


def _size_objections(repository: Repository, ref: PushedRef) -> Iterator[Objection]:
    listed = repository.run("ls-tree", "-r", "-l", "-z", ref.local_oid, "--", ".mimo/").text
    sizes: dict[str, int] = {}
    for entry in filter(None, listed.split("\0")):
        facts, _, path = entry.partition("\t")
        size_text = facts.split()[-1]
        sizes[path] = int(size_text) if size_text.isdigit() else 0
    for path, size in sizes.items():
        if size > MAX_MIMO_FILE:
            yield Objection(
                ref=ref.remote,
                reason=f"`{path}` is too big for a memory: {size // 1024} KiB, at most {MAX_MIMO_FILE // 1024}",
                hint=f"git rm --cached '{path}' && git commit --amend",
            )
    if sum(sizes.values()) > MAX_MIMO_BYTES:
        whole = sum(sizes.values()) // (1024 * 1024)
        yield Objection(
            ref=ref.remote, reason=f"`.mimo/` has {whole} MiB, at most {MAX_MIMO_BYTES >> 20}", hint="git mimo gc"
        )


def _secret_objections(
    repository: Repository, ref: PushedRef, span: Sequence[str], known: Mapping[str, str], limit: float
) -> Iterator[Objection]:
    seen: set[tuple[str, str]] = set()
    scanned = 0
    for commit, path, lines in _added(repository, span):
        added = b"\n".join(lines)
        scanned += len(added)
        if scanned > MAX_SCANNED_BYTES or time.monotonic() > limit:
            return
        try:
            findings = find_secrets(added, known)
        except CheckError as exc:
            yield Objection(ref=ref.remote, reason=exc.message, hint=exc.hint)
            return
        for finding in findings:
            line = lines[finding.line - 1].decode(errors="replace") if finding.line <= len(lines) else ""
            if not finding.certain or (finding.rule, path) in seen or any(mark in line for mark in ALLOWED_MARKS):
                continue
            seen.add((finding.rule, path))
            yield Objection(
                ref=ref.remote,
                reason=f"commit {commit[:12]} adds a secret to `{path}` ({finding.rule})",
                hint="replace the secret where it is valid, then take it out of the history: git rebase -i",
            )


def _added(repository: Repository, span: Sequence[str]) -> Iterator[tuple[str, str, list[bytes]]]:
    """Yield commit, path and added lines, a file at a time."""
    log = stream_git(
        [
            *("log", "-p", "-U0", "--no-color", "--no-ext-diff", "--no-textconv", "--no-notes", "--no-renames"),
            *("--diff-filter=AM", "--format=%x00%H", f"--max-count={MAX_SCANNED_COMMITS}"),
            *span,
        ],
        cwd=repository.common_dir,
        git_dir=repository.git_dir,
    )
    commit = ""

    def commit_of(line: bytes) -> str:
        nonlocal commit
        commit = line[1:].decode().strip() if line.startswith(b"\0") else commit
        return commit

    for commit_id, lines in itertools.groupby(log, key=commit_of):
        for section in parse_sections(lines):
            yield commit_id, section.path, [os.fsencode(line.text) for line in section.lines if line.mark == "+"]
