"""Scripts of skills and operations: run in a sandbox on a fresh tree, as candidate 0 of a session, or by hand."""

import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gitmimo import mimo_dir
from gitmimo.errors import NeedsPerson, UsageError
from gitmimo.git import snapshot, trees
from gitmimo.git.repository import Repository
from gitmimo.memory.skill_file import Skill, read_library
from gitmimo.memory.templates import match_template
from gitmimo.records import Oid
from gitmimo.sandbox.base import CommandSpec, Limits, Sandbox
from gitmimo.workflow import trust

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


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptRunner:
    """Where scripts run: a fresh checkout each time, in the sandbox. Nothing that one started outlives its run."""

    repository: Repository
    sandbox: Sandbox
    scratch: Path
    timeout_s: float = 600.0
    cancelled: Callable[[], bool] | None = None

    def run(
        self,
        script: str,
        values: Mapping[str, str],
        *,
        at: Oid,
        accept: Sequence[str] = (),
        grants: Grants = Grants(),
    ) -> ScriptRun:
        """Run a script on a commit's or tree's files, then its accept commands beside what it started.

        Accept commands are tried for `ACCEPT_S` seconds. The values are the environment of both.
        """
        started = time.monotonic()
        self.scratch.mkdir(parents=True, exist_ok=True)
        directory = Path(tempfile.mkdtemp(prefix="script-", dir=self.scratch))
        try:
            base = mimo_dir.without_mimo(self.repository, self.repository.tree_of(at))
            root = directory / "work"
            trees.checkout_tree(self.repository, base, root)
            done = self.sandbox.run(
                CommandSpec(
                    command=["sh", "-c", _whole(accept)],
                    work_tree=root,
                    env={"PYTHONDONTWRITEBYTECODE": "1", **values, "MIMO_SCRIPT": script},
                    network=grants.network,
                    writable=grants.writable,
                    limits=Limits(timeout_s=self.timeout_s),
                    cancelled=self.cancelled,
                )
            )
            left = snapshot.take_snapshot(self.repository, root, parent=base, index=directory / "index").tree
            product = mimo_dir.without_mimo(self.repository, left)
        finally:
            shutil.rmtree(directory, ignore_errors=True)
        problem = ""
        if done.exit_code or done.timed_out or done.killed_by_limit:
            last = " | ".join(line.strip() for line in done.output.strip().splitlines()[-4:])
            problem = "it did not end in time" if done.timed_out else done.killed_by_limit or last or "it failed"
        return ScriptRun(
            problem=problem[:1000],
            output=done.output,
            tree=product,
            seconds=time.monotonic() - started,
            ran=not problem or done.exit_code == _NOT_ACCEPTED,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptMatch:
    """A skill whose script does exactly what a task says, with the values that the task gives."""

    skill: Skill
    values: Mapping[str, str] = field(default_factory=dict)
    approved: bool = False

    @property
    def said(self) -> str:
        """The skill and its values, as they would be typed."""
        return " ".join([self.skill.name, *(f"{name}={value}" for name, value in self.values.items())])


def find_script(repository: Repository, view: Oid, task: str, *, operation: bool) -> ScriptMatch | None:
    """Return the skill with a script whose task this is, word by word but for the values; None when none is.

    An operation's skill fits an operation only, and the other way round.
    """
    for skill in read_library(repository, view).skills:
        template = skill.metadata.get("git-mimo.task", "")
        if skill.script is None or not template or ("git-mimo.accept" in skill.metadata) is not operation:
            continue
        values = match_template(template, task)
        if values is not None and set(values) >= set(skill.parameters):
            return ScriptMatch(skill=skill, values=values, approved=trust.is_approved(repository, skill.digest))
    return None


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


def check_granted(skill: Skill, granted: Sequence[str]) -> None:
    """NeedsPerson when a script needs more than was granted now."""
    missing = [grant for grant in skill.metadata.get("git-mimo.grants", "").split() if grant not in granted]
    if missing:
        raise NeedsPerson(
            f"`{skill.name}` needs: {', '.join(missing)}", hint=" ".join(f"--grant {grant}" for grant in missing)
        )


def _whole(accept: Sequence[str]) -> str:
    checks = " &&\n".join(f"  (\n{command}\n  )" for command in accept) or "  true"
    return _RUN % {"failed": _SCRIPT_FAILED, "refused": _NOT_ACCEPTED, "accept": checks, "tries": ACCEPT_S * 2}
