"""Scripts of skills and operations: run in a sandbox on a fresh tree, in a session or by hand, and proven before."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gitmimo import ids
from gitmimo.config import Config
from gitmimo.errors import NeedsPerson, UsageError
from gitmimo.evaluator.testbed import TestBed
from gitmimo.git import commit, snapshot, trees, undo_log
from gitmimo.git.gc_lock import hold_off_gc
from gitmimo.git.repository import Repository
from gitmimo.git.trees import with_mimo_from, without_mimo
from gitmimo.ids import Oid, new_session_id
from gitmimo.memory.skill_file import Skill, read_library
from gitmimo.records import CommandResult
from gitmimo.sandbox.base import CommandSpec
from gitmimo.workflow import trust
from gitmimo.workflow.evaluate import plain_testbed
from gitmimo.workflow.memory_home import memory_view

ACCEPT_S = 20  # how long the accept commands are tried again: a service needs a moment to listen
_SCRIPT_FAILED, _NOT_ACCEPTED = 90, 91
_DOCKER = Path("/var/run/docker.sock")
_RUN = """\
sh -c "$MIMO_SCRIPT"
code=$?
[ $code = 0 ] || { echo "the script failed with exit code $code"; exit %(failed)d; }
tries=0
until {
%(accept)s
}; do
  tries=$((tries + 1))
  [ $tries -lt %(tries)d ] || { echo "not accepted"; exit %(refused)d; }
  sleep 0.5
done
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grants:
    """What a person lets an operation reach outside its own tree."""

    network: bool = False
    writable: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptRun:
    """What running a script came to. `problem` is empty when it ended with 0 and every accept command did."""

    problem: str
    output: str
    tree: Oid  # the product that it left, without `.mimo/`
    seconds: float
    ran: bool = False  # the script itself ended with 0
    branch: str | None = None  # where `run_skill` put what it changed
    commit: Oid | None = None


def run_script(
    testbed: TestBed,
    script: str,
    values: Mapping[str, str],
    *,
    at: Oid,
    accept: Sequence[str] = (),
    grants: Grants = Grants(),
) -> ScriptRun:
    """Run a script on a commit's or tree's files, then its accept commands beside what it started.

    It runs in a fresh checkout, in the sandbox, and nothing that it started outlives it. Accept commands are tried for
    `ACCEPT_S` seconds. The values are the environment of both.
    """
    repository, scratch = testbed.repository, testbed.scratch
    scratch.mkdir(parents=True, exist_ok=True)
    base = without_mimo(repository, repository.tree_of(at))
    with tempfile.TemporaryDirectory(prefix="script-", dir=scratch, ignore_cleanup_errors=True) as directory:
        root = Path(directory) / "work"
        trees.checkout_tree(repository, base, root)
        done = testbed.sandbox.run(
            CommandSpec(
                command=["sh", "-c", _whole(accept)],
                work_tree=root,
                env={"PYTHONDONTWRITEBYTECODE": "1", **values, "MIMO_SCRIPT": script},
                network=grants.network,
                writable=grants.writable,
                limits=testbed.limits,
                cancelled=testbed.cancelled,
            )
        )
        left = snapshot.snapshot_once(repository, root, base=base).tree
    problem = _problem_of(done)
    return ScriptRun(
        problem=problem,
        output=done.output,
        tree=without_mimo(repository, left),
        seconds=done.seconds,
        ran=not problem or done.exit_code == _NOT_ACCEPTED,
    )


def _problem_of(done: CommandResult) -> str:
    """Why a script's run failed, in a line; empty when it did not."""
    if not (done.exit_code or done.timed_out or done.killed_by_limit):
        return ""
    last = " | ".join(line.strip() for line in done.output.strip().splitlines()[-4:])
    return ("it did not end in time" if done.timed_out else done.killed_by_limit or last or "it failed")[:1000]


def read_grants(texts: Sequence[str]) -> Grants:
    """Read what was granted: `network`, `docker`, `dir:PATH`, `service:SOCKET`. UsageError for anything else."""
    network, writable = False, []
    for text in texts:
        kind, _, name = text.partition(":")
        path = Path(name).expanduser()
        if text == "network":
            network = True
        elif text == "docker":
            network = True
            writable.append(_DOCKER)
        elif kind in ("dir", "service") and path.is_absolute() and (path.is_dir() if kind == "dir" else path.exists()):
            writable.append(path)
        else:
            raise UsageError(
                f"not a grant: `{text}`", hint="network, docker, dir:/absolute/directory, service:/path/of/a.sock"
            )
    return Grants(network=network, writable=tuple(writable))


def check_allowed(repository: Repository, skill: Skill, granted: Sequence[str]) -> None:
    """NeedsPerson unless exactly these bytes of a script were approved and all that it needs is granted now."""
    if not trust.is_approved(repository, skill.digest):
        raise NeedsPerson(f"the script is not approved, or has changed since: `{skill.name}`", hint="git mimo trust")
    missing = [grant for grant in skill.metadata.get("git-mimo.grants", "").split() if grant not in granted]
    if missing:
        raise NeedsPerson(
            f"`{skill.name}` needs: {', '.join(missing)}", hint=" ".join(f"--grant {grant}" for grant in missing)
        )


def _whole(accept: Sequence[str]) -> str:
    checks = " &&\n".join(f"  (\n{command}\n  )" for command in accept) or "  true"
    return _RUN % {"failed": _SCRIPT_FAILED, "refused": _NOT_ACCEPTED, "accept": checks, "tries": ACCEPT_S * 2}


def run_skill(
    repository: Repository,
    config: Config,
    name: str,
    values: Mapping[str, str],
    *,
    granted: Sequence[str] = (),
    dry_run: bool = False,
) -> ScriptRun:
    """Run a skill's script on HEAD's files, and its accept commands; what it changed is on a branch, if all went well.

    NeedsPerson when its content is not approved or it needs a grant; a script that fails is a result.
    """
    head = repository.resolve("HEAD")
    skill = read_library(repository, memory_view(repository, config, head)).get(name)
    _require_runnable(repository, skill, values, granted)
    accept = tuple(filter(None, [skill.metadata.get("git-mimo.accept", "")]))
    timeout_s = config.seconds("testTimeout")
    with hold_off_gc(repository), plain_testbed(repository, config, head, timeout_s=timeout_s) as testbed:
        done = run_script(testbed, skill.script or "", values, at=head, accept=accept, grants=read_grants(granted))
        base = without_mimo(repository, repository.tree_of(head))
        if done.problem or dry_run or done.tree == base:
            return done
        whole = with_mimo_from(repository, done.tree, repository.tree_of(head))
        said = " ".join([name, *(f"{key}={value}" for key, value in values.items())])
        message = commit.add_trailers(f"{said}\n", {"Mimo-Skill": name})
        made = commit.write_commit(repository, tree=whole, parents=(head,), message=message)
        branch = f"{config.text('branchPrefix')}/skill-{name}-{new_session_id()}"
        move = undo_log.RefMove(ref=ids.branch_ref(branch), old=None, new=made)
        undo_log.move_recorded(repository, f"skill run {name}", [move])
    return replace(done, branch=branch, commit=made)


def _require_runnable(repository: Repository, skill: Skill, values: Mapping[str, str], granted: Sequence[str]) -> None:
    name = skill.name
    if skill.script is None:
        raise UsageError(f"the skill has no script: `{name}`", hint=f"git mimo skill show {name}")
    check_allowed(repository, skill, granted)
    missing = [parameter for parameter in skill.parameters if not values.get(parameter)]
    unknown = [key for key in values if key not in skill.parameters]
    if missing or unknown:
        typed = " ".join(f"{parameter}=VALUE" for parameter in skill.parameters)
        problem = f"no value for {missing[0]}" if missing else f"not a variable of `{name}`: {unknown[0]}"
        raise UsageError(problem, hint=f"git mimo skill run {name} {typed}")
