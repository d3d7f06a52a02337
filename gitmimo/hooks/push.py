"""pre-push: decide from recorded evidence whether refs may be pushed. Runs no tests and contacts no server."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from gitmimo.git.repository import Repository
from gitmimo.git.trees import without_mimo
from gitmimo.ids import Oid, is_session_id
from gitmimo.workflow.evidence_notes import DamagedNote, find_evidence, trees_of

MAX_MIMO_FILE = 256 * 1024
MAX_MIMO_BYTES = 8 * 1024 * 1024
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
    lines = (line.split(" ") for line in text.splitlines())
    refs = [
        PushedRef(local=line[0], local_oid=line[1], remote=line[2], remote_oid=line[3])
        for line in lines
        if len(line) == 4
    ]
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
    repository: Repository, pushed: Sequence[PushedRef], *, remote: str, prefix: str = "mimo"
) -> tuple[Objection, ...]:
    """Return the objections to a push; none when it may proceed.

    Covered: candidate branches and raw trajectories under any name, result branches without a passing verdict for
    exactly their tree, too much in `.mimo/`. Not covered: whether a note is honest (`git mimo ci` tests again).
    """
    found: list[Objection] = []
    for ref in pushed:
        if ref.is_deletion:
            continue
        found += _name_objections(ref, prefix)
        if ref.remote.startswith("refs/notes/") or not repository.has_object(f"{ref.local_oid}^{{commit}}"):
            continue
        found += _trajectory_objections(repository, ref, _new_commits(repository, ref, remote))
        found += _verdict_objections(repository, ref, prefix)
        found += _size_objections(repository, ref)
    return tuple(found)


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
