"""A procedure carried out without any model in a scratch checkout; what came of it as a tree."""

import contextlib
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gitmimo.errors import RepoError, SkillRefused, machine_fault
from gitmimo.git.edit import entries_apart
from gitmimo.git.repository import Repository
from gitmimo.git.tree import checkout, snapshot, without_mimo
from gitmimo.memory.procedure import Procedure
from gitmimo.memory.procedure_file import to_document
from gitmimo.memory.skill_file import Skill
from gitmimo.memory.skill_runner import (
    POSTCONDITION_FAILED,
    STEP_FAILED,
    UNMET,
    Files,
    Refused,
    bind,
    perform,
    unmet,
    unready,
)
from gitmimo.records import Oid
from gitmimo.sandbox.base import CommandSpec, Limits, Sandbox

_OUTPUT_BYTES = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What one replay said. `code` is the runner's exit code; `tree` is the product without `.mimo/`."""

    code: int
    reason: str = ""
    tree: Oid | None = None
    changed: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        return self.code == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Where and how procedures are replayed: the repository, the sandbox, and a directory for scratch checkouts."""

    repository: Repository
    sandbox: Sandbox
    scratch: Path
    limits: Limits = Limits(capture_bytes=_OUTPUT_BYTES)
    cancelled: Callable[[], bool] | None = None

    @contextlib.contextmanager
    def checkout(self, tree: Oid) -> Iterator["Place"]:
        """A fresh checkout of a tree or commit, without its `.mimo/`; removed afterwards."""
        self.scratch.mkdir(parents=True, exist_ok=True)
        directory = Path(tempfile.mkdtemp(prefix="replay-", dir=self.scratch))
        try:
            base = without_mimo(self.repository, self.repository.tree_of(tree))
            root = directory / "work"
            checkout(self.repository, base, root)
            yield Place(bench=self, directory=directory, root=root, base=base)
        finally:
            shutil.rmtree(directory, ignore_errors=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One scratch checkout."""

    bench: Bench
    directory: Path
    root: Path
    base: Oid

    def runner(self, *, network: bool) -> Callable[[Sequence[str], Path, float], tuple[int, str]]:
        """Return the function by which the procedure's programs are run: in the sandbox."""

        def run(argv: Sequence[str], cwd: Path, timeout_s: float) -> tuple[int, str]:
            limits = self.bench.limits
            timeout_s = min(timeout_s, limits.timeout_s) if limits.timeout_s else timeout_s
            job = CommandSpec(
                command=list(argv),
                work_tree=self.root,
                cwd=cwd,
                env={"PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0", "SOURCE_DATE_EPOCH": "315532800"},
                network=network,
                cancelled=self.bench.cancelled,
                limits=Limits(
                    timeout_s=timeout_s,
                    capture_bytes=limits.capture_bytes,
                    memory_bytes=limits.memory_bytes,
                    processes=limits.processes,
                    file_bytes=limits.file_bytes,
                ),
            )
            done = self.bench.sandbox.run(job)
            return done.exit_code, done.output

        return run

    def product(self) -> Oid:
        """Write the checkout's files as a tree, without `.mimo/`."""
        repository = self.bench.repository
        found = snapshot(repository, self.root, parent=self.base, index=self.directory / "index" / "file")
        return without_mimo(repository, found)


def replay(bench: Bench, procedure: Procedure, parameters: Mapping[str, str], *, commit: Oid) -> Replay:
    """Carry out a procedure on a fresh checkout of the commit; see `Replay.code` for how far it came.

    The result's tree is given also where a postcondition failed. Nothing outside the scratch directory changes.
    CheckError when the sandbox could not start a program, RepoError when the machine fails, which says nothing about
    the procedure.
    """
    started = time.monotonic()
    document = to_document(procedure)
    code, reason = 0, ""
    tree: Oid | None = None
    changed: tuple[str, ...] = ()
    with bench.checkout(commit) as place:
        run = place.runner(network=procedure.network)
        try:
            values = bind(document, parameters, place.root)
            problems = unready(document, values, place.root, run)
            if problems:
                raise Refused(UNMET, "; ".join(problems))
            files = Files(place.root)
            for step in document["steps"]:
                if bench.cancelled is not None and bench.cancelled():
                    raise Refused(STEP_FAILED, "cancelled")
                if time.monotonic() - started > procedure.timeout_s:
                    raise Refused(STEP_FAILED, f"longer than {procedure.timeout_s:.0f} seconds")
                perform(step, values, files, run)
            tree = place.product()
            changed = tuple(sorted(changed_paths(bench.repository, place.base, tree)))
            problems = [f"changed outside the allowed paths: {path}" for path in _outside(procedure, values, changed)]
            problems += unmet(document["postconditions"], values, place.root, run)
            if problems:
                raise Refused(POSTCONDITION_FAILED, "; ".join(problems))
        except (Refused, OSError) as exc:
            fault = machine_fault(exc)
            if fault is not None:
                raise RepoError(f"a replay broke off: {fault.strerror}: `{place.root}`") from exc
            if isinstance(exc, Refused):
                code, reason = exc.code, exc.reason[:1000]
            else:
                code, reason = STEP_FAILED, f"{type(exc).__name__}: {exc.strerror or exc}"
    return Replay(code=code, reason=reason, tree=tree, changed=changed, seconds=time.monotonic() - started)


def _outside(procedure: Procedure, values: Mapping[str, str], paths: Sequence[str]) -> list[str]:
    return [path for path in paths if not procedure.allows(path, values)]


def changed_paths(repository: Repository, old: Oid, new: Oid) -> set[str]:
    """Return the paths that two trees don't hold alike."""
    old, new = repository.tree_of(old), repository.tree_of(new)
    return {entry.path for entry in entries_apart(repository, old, new)} | {
        entry.path for entry in entries_apart(repository, new, old)
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """Whether a procedure may become a skill: two equal replays, and what else it was tried on."""

    admitted: bool
    reason: str
    replays: tuple[Replay, ...] = ()
    elsewhere: tuple[str, ...] = ()  # other commits and parameter sets on which it worked

    @property
    def is_unmet(self) -> bool:
        """Whether the procedure did not apply at all, which says nothing against it."""
        return not self.admitted and self.replays[0].code == UNMET


def admit(
    bench: Bench,
    procedure: Procedure,
    parameters: Mapping[str, str],
    *,
    commit: Oid,
    expected: Oid | None,
    elsewhere: Sequence[tuple[Oid, Mapping[str, str]]] = (),
    accepts: Callable[[Oid], bool] | None = None,
) -> Admission:
    """Replay twice from clean checkouts and say whether the procedure holds.

    Both replays must end in the same tree, in `expected` where given, with true postconditions. Of the other commits
    and parameter sets, where there are any, at least one must work and its tree be accepted.
    """
    first = replay(bench, procedure, parameters, commit=commit)
    if not first.ok:
        return Admission(admitted=False, reason=f"its replay failed: {first.reason}", replays=(first,))
    second = replay(bench, procedure, parameters, commit=commit)
    both = (first, second)
    if not second.ok or first.tree != second.tree:
        return Admission(admitted=False, reason="two replays gave two different trees", replays=both)
    if expected is not None and first.tree != expected:
        return Admission(admitted=False, reason="the replay's tree is not the one that passed the gates", replays=both)
    worked: list[str] = []
    failures: list[str] = []
    for other, values in elsewhere:
        label = f"{other[:12]} {' '.join(f'{name}={value}' for name, value in sorted(values.items()))}".strip()
        found = replay(bench, procedure, values, commit=other)
        if found.ok and found.tree is not None and (accepts is None or accepts(found.tree)):
            worked.append(label)
            break
        if found.code == UNMET:
            continue  # the history has no such place
        failures.append(f"{label}: {found.reason or 'not accepted'}")
    if failures and not worked:
        reason = f"it works on nothing but its own session: {failures[0][:300]}"
        return Admission(admitted=False, reason=reason, replays=both)
    return Admission(admitted=True, reason="", replays=both, elsewhere=tuple(worked))


def verify_skill(bench: Bench, skill: Skill, *, commit: Oid) -> Admission:
    """Replay a skill twice on the commit, else where it came from, with the parameters of its first example.

    A commit that holds the skill's work already doesn't meet its preconditions; then its source commit counts, when
    the repository has it. Where neither applies the refusal's replays end with code 3. SkillRefused when the skill is
    not runnable.
    """
    if skill.procedure is None:
        raise SkillRefused(f"the skill has no procedure to replay: `{skill.name}`")
    examples = skill.procedure.examples
    parameters = examples[0].parameters if examples else {}
    source = skill.metadata.get("git-mimo.source-commits", "").split(" ")[0]
    places = [commit]
    if re.fullmatch(r"[0-9a-f]{7,40}", source):
        with contextlib.suppress(RepoError):  # a shallow clone, or another repository
            places.append(bench.repository.resolve(source))
    for place in places:
        found = admit(bench, skill.procedure, parameters, commit=place, expected=None)
        if not found.is_unmet:
            break
    return found
