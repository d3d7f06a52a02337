"""Commands under macOS's `sandbox-exec`. Untested on a real Mac: only the profile's text is checked."""

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from gitmimo.environment.command import Job
from gitmimo.environment.process import named_memory_limit, run_process, shown
from gitmimo.environment.profile import Profile, network_variables
from gitmimo.environment.shell import command_line
from gitmimo.errors import CheckError
from gitmimo.records import CommandResult

PROGRAM = Path("/usr/bin/sandbox-exec")
_LIMITER = 'ulimit -c 0; ulimit -u "$1" 2>/dev/null; ulimit -f "$2"; shift 2; exec "$@"'
_DEVICES = ("null", "zero", "random", "urandom", "dtracehelper", "tty", "fd")
# what every program asks for at its start; nothing of the person's session: no keychain, no pasteboard, no launching
_SERVICES = (
    "com.apple.system.opendirectoryd.libinfo",
    "com.apple.system.notification_center",
    "com.apple.system.logger",
    "com.apple.trustd.agent",
)


class SeatbeltEnvironment:
    """Runs commands under `sandbox-exec`.

    Covers: reading hidden places, writing outside the work tree, the network but for the loopback, signals to and
    knowledge of processes outside, the keychain. Does not cover what `gaps` says.
    """

    name = "sandbox-exec"
    gaps: tuple[str, ...] = (
        "it was never tried on a Mac: only the text of its profile is tested",
        "the loopback is the machine's own: local services can be reached",
        "names, sizes and times of files outside can be seen",
        "daemons may outlive their command, and memory is not limited for all processes together",
    )

    def __init__(self, profile: Profile, environ: Mapping[str, str], *, program: Path = PROGRAM) -> None:
        self._profile = profile
        self._network = network_variables(environ)
        self._program = program

    def run(self, job: Job) -> CommandResult:
        """Run one command; see `Environment.run`."""
        work_tree = job.work_tree.resolve()
        if not work_tree.is_dir():
            raise CheckError(f"no such directory to run a command in: `{job.work_tree}`")
        with _temp(job) as temp, command_line(job.command) as line:
            env = {**self._profile.env, **(self._network if job.network else {})}
            env |= {"HOME": str(temp), "TMPDIR": str(temp), **_git_variables(job), **job.env}
            limits = (str(job.limits.processes or "unlimited"), str(job.limits.file_bytes // 512 or "unlimited"))
            text = profile_text(self._profile, job, temp=temp)
            argv = [str(self._program), "-p", text, "/bin/sh", "-c", _LIMITER, "sh", *limits, *line.argv]
            result = run_process(
                argv,
                command=shown(job.command),
                cwd=(job.cwd or work_tree).resolve(),
                env=env,
                limits=job.limits,
                watched=[work_tree, temp, *job.writable],
                pass_fds=line.fds,
                cancelled=job.cancelled,
            )
        if result.exit_code and result.output.startswith("sandbox-exec: "):
            raise CheckError(f"the sandbox could not start: {result.output.strip().splitlines()[0]}")
        return named_memory_limit(result)


def profile_text(profile: Profile, job: Job, *, temp: Path) -> str:
    """Write the profile of one job. Of two rules that fit, the later one counts; what no rule names is denied.

    CheckError when a path holds a control character: the profile's language has no form for it.
    """
    writable = [job.work_tree, *job.writable, temp, *([job.private_git] if job.private_git else [])]
    lines = [
        "(version 1)",
        "(deny default)",
        "(allow process-fork process-exec)",
        "(allow signal process-info* (target same-sandbox))",
        "(allow sysctl-read)",
        *(f'(allow mach-lookup (global-name "{name}"))' for name in _SERVICES),
        "(allow file-read*)",
        *(f"(deny file-read-data {_below(path)})" for path in profile.hidden),
        *(f"(deny file-read-data {_below(path)})" for path in profile.masked),
        *(f"(allow file-read* {_below(path)})" for path in (*profile.readable, *job.readable)),
        *(f'(allow file-read* file-write-data file-ioctl (literal "/dev/{name}"))' for name in _DEVICES),
        *(f"(allow file-read* file-write* {_below(path)})" for path in writable),
        f"(deny file-write* (literal {_quoted(job.work_tree.resolve() / '.git')}))",
        *_network_rules(allowed=job.network),
    ]
    return "\n".join(lines) + "\n"


def _network_rules(*, allowed: bool) -> Sequence[str]:
    if allowed:
        return (
            "(allow network*)",
            "(allow system-socket)",
            '(allow mach-lookup (global-name "com.apple.mDNSResponder"))',
        )
    return (
        '(allow network-bind (local ip "localhost:*"))',
        '(allow network-inbound (local ip "localhost:*"))',
        '(allow network-outbound (remote ip "localhost:*"))',
    )


def _below(path: Path) -> str:
    return f"(subpath {_quoted(path.resolve())})"


def _quoted(path: Path) -> str:
    text = os.fspath(path)
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in text):
        raise CheckError(f"the sandbox cannot name a path with control characters: {text!r}")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _git_variables(job: Job) -> dict[str, str]:
    """Nothing can be bound over `.git` here, so git is told where the private repository is."""
    if job.private_git is None:
        return {}
    return {"GIT_DIR": str(job.private_git.resolve()), "GIT_WORK_TREE": str(job.work_tree.resolve())}


@contextlib.contextmanager
def _temp(job: Job) -> Iterator[Path]:
    if job.temp:
        yield job.temp.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="mimo-", ignore_cleanup_errors=True) as name:
        yield Path(name).resolve()
