"""Starts the git binary, in a clean environment."""

import contextlib
import functools
import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict, Unpack

from gitmimo.errors import RepoError

MINIMUM_VERSION = (2, 38)  # merge-tree --write-tree
_CONFIG_HOOKS_VERSION = (2, 54)

# What makes git the user's: identity, user-level configuration, and the way to a remote. Everything else named GIT_*
# is dropped, among it all that `git rev-parse --local-env-vars` lists: a hook that starts us exports GIT_DIR.
_KEPT = frozenset(
    f"GIT_{name}"
    for name in (
        *("CONFIG_GLOBAL", "CONFIG_SYSTEM", "CONFIG_NOSYSTEM", "ATTR_NOSYSTEM", "EXEC_PATH"),
        *("AUTHOR_NAME", "AUTHOR_EMAIL", "AUTHOR_DATE", "COMMITTER_NAME", "COMMITTER_EMAIL", "COMMITTER_DATE"),
        *("SSH", "SSH_COMMAND", "SSH_VARIANT", "ASKPASS", "ALLOW_PROTOCOL", "PROTOCOL_FROM_USER"),
        *("SSL_CAINFO", "SSL_CAPATH", "SSL_CERT", "SSL_KEY", "SSL_NO_VERIFY", "HTTP_PROXY_AUTHMETHOD"),
        "LFS_SKIP_SMUDGE",
    )
)
_QUIET_SWITCHES = tuple(
    word
    for setting in (
        "core.hooksPath=/dev/null",
        "core.fsmonitor=false",
        "gc.auto=0",
        "maintenance.auto=false",
        "submodule.recurse=false",
        "commit.gpgSign=false",
        "log.showSignature=false",
        "core.safecrlf=false",
    )
    for word in ("-c", setting)
)


class GitFailed(RepoError):
    """The git binary failed; has its message."""

    def __init__(self, command: Sequence[str], *, exit_code: int, stderr: str) -> None:
        lines = [line.strip() for line in stderr.splitlines() if line.strip()]
        said = [line for line in lines if line.startswith(("fatal:", "error:"))] or lines[-3:]
        reason = "; ".join(line.partition(": ")[2] if line.startswith(("fatal:", "error:")) else line for line in said)
        super().__init__(f"git {subcommand_of(command)} failed: {reason or f'exit code {exit_code}'}")
        self.command = tuple(command)
        self.git_exit_code = exit_code
        self.stderr = stderr


@dataclass(frozen=True, slots=True)
class GitResult:
    """The result of one git command."""

    stdout: bytes
    stderr: str
    exit_code: int

    @property
    def text(self) -> str:
        """stdout as text, without the last newline; undecodable bytes become surrogates, as in paths."""
        return os.fsdecode(self.stdout).removesuffix("\n")


class GitOptions(TypedDict, total=False):
    """Where and how git runs: see `run_git`."""

    cwd: Path | None
    git_dir: Path | None
    work_tree: Path | None
    index: Path | None
    input: bytes
    env: Mapping[str, str]  # added to the cleaned environment
    check: bool
    user_hooks: bool


def clean_environment(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the process's environment without the GIT_* variables that tie git to one repository or one command.

    Identity, user-level configuration and the way to a remote stay. Secrets are not removed.
    """
    source = os.environ if environ is None else environ
    return {name: value for name, value in source.items() if not name.startswith("GIT_") or name in _KEPT}


def run_git(args: Sequence[str | Path], **options: Unpack[GitOptions]) -> GitResult:
    """Run git to its end without prompts, hooks, fsmonitor, signing, gc or replace objects.

    `user_hooks` keeps the user's hooks, signing and configuration: for the one merge that is theirs. External diff,
    textconv and filters are the callers' concern, `TreeRules.filter_switches` turns off the last. GitFailed when git
    fails, unless `check` is false.
    """
    command, environment = _call(args, options)
    cwd, data = options.get("cwd"), options.get("input", b"")
    with _explained(cwd):
        done = subprocess.run(command, cwd=cwd, env=environment, input=data, capture_output=True, check=False)
    result = GitResult(done.stdout, done.stderr.decode(errors="replace"), done.returncode)
    if options.get("check", True) and result.exit_code:
        raise GitFailed([os.fspath(arg) for arg in args], exit_code=result.exit_code, stderr=result.stderr)
    return result


def user_program(name: str, *, cwd: Path | None = None) -> str:
    """The user's own program as git would start it: `GIT_PAGER` or `GIT_EDITOR`; empty when git knows none.

    `run_git` sets both variables to programs that never wait for a person, so it cannot answer this.
    """
    kept = {key: os.environ[key] for key in (name,) if key in os.environ}
    with _explained(cwd):
        done = subprocess.run(
            ["git", "var", name], cwd=cwd, env=clean_environment() | kept, capture_output=True, text=True, check=False
        )
    return done.stdout.strip() if done.returncode == 0 else ""


def stream_git(args: Sequence[str | Path], **options: Unpack[GitOptions]) -> Iterator[bytes]:
    """Yield git's output line by line, line ends included, without holding it all; otherwise as `run_git`.

    GitFailed at the end when git fails. Closing the iterator early ends git.
    """
    import tempfile  # each command runs git, and few stream it

    command, environment = _call(args, options)
    cwd = options.get("cwd")
    with tempfile.TemporaryFile() as errors, _explained(cwd):
        process = subprocess.Popen(
            command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors
        )
        assert process.stdout is not None
        try:
            yield from process.stdout
            exit_code = process.wait()
        finally:
            process.stdout.close()
            process.kill()
            process.wait()
        if exit_code:
            errors.seek(0)
            said = errors.read().decode(errors="replace")
            raise GitFailed([os.fspath(arg) for arg in args], exit_code=exit_code, stderr=said)


def subcommand_of(words: Sequence[str]) -> str:
    """Return the subcommand among the words after `git`; empty without one."""
    with_value = ("-c", "-C", "--git-dir", "--work-tree", "--namespace", "--exec-path", "--config-env")
    pairs = zip(words, ["", *words], strict=False)
    return next((word for word, before in pairs if word[:1] != "-" and before not in with_value), "")


def check_outside_name(text: str, *, what: str) -> str:
    """Refuse text from outside that git would read as an option or cut short; return it otherwise."""
    if not text or text.startswith("-") or "\0" in text or "\n" in text:
        raise RepoError(f"not a usable {what}: `{text}`")
    return text


def git_version() -> tuple[int, ...]:
    """Return the version of the git binary on the path, for example (2, 39, 5)."""
    return _version_on(os.environ.get("PATH", ""))


def check_git_version() -> None:
    """RepoError when the binary lacks what we need."""
    version = git_version()
    if version[:2] < MINIMUM_VERSION:
        raise RepoError(
            f"git {'.'.join(map(str, version))} is too old, git-mimo needs {'.'.join(map(str, MINIMUM_VERSION))}",
            hint="install git 2.38 or newer",
        )


def _call(args: Sequence[str | Path], options: GitOptions) -> tuple[list[str], dict[str, str]]:
    """Return the command line and environment of one call."""
    cwd, git_dir = options.get("cwd"), options.get("git_dir")
    environment = clean_environment() | {"GIT_TERMINAL_PROMPT": "0", "GIT_EDITOR": "true", "GIT_PAGER": "cat"}
    # no maintenance behind our calls: its lock, left by a kill, keeps the user's own from running
    switches: tuple[str, ...] = ("-c", "maintenance.auto=false")
    if not options.get("user_hooks"):
        environment |= {"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0", "GIT_NO_REPLACE_OBJECTS": "1"}
        switches = _QUIET_SWITCHES + _configured_hooks(cwd or Path.cwd(), git_dir)
    places = {"GIT_DIR": git_dir, "GIT_WORK_TREE": options.get("work_tree"), "GIT_INDEX_FILE": options.get("index")}
    environment |= {name: os.fspath(path) for name, path in places.items() if path is not None}
    return ["git", *switches, *(os.fspath(arg) for arg in args)], environment | dict(options.get("env", {}))


@contextlib.contextmanager
def _explained(cwd: Path | None) -> Iterator[None]:
    """Translate what can go wrong in starting a process."""
    try:
        yield
    except FileNotFoundError as exc:
        if cwd is not None and not cwd.is_dir():
            raise RepoError(f"no such directory: `{cwd}`") from exc
        raise RepoError("git is not installed", hint="install git 2.38 or newer") from exc
    except (OSError, ValueError) as exc:  # directory without access, argument list too long, NUL in an argument
        raise RepoError(f"cannot run git: {exc}") from exc


@functools.cache
def _version_on(search_path: str) -> tuple[int, ...]:
    with _explained(None):
        said = subprocess.run(["git", "--version"], capture_output=True, check=False, env=clean_environment()).stdout
    found = re.search(rb"(\d+)\.(\d+)(?:\.(\d+))?", said)
    if found is None:
        raise RepoError(f"`git --version` names no version: `{search_path}`")
    return tuple(int(part) for part in found.groups() if part is not None)


@functools.lru_cache(maxsize=64)
def _configured_hooks(cwd: Path, git_dir: Path | None) -> tuple[str, ...]:
    """Turn off hooks that are named in the configuration: git 2.54 has them, and core.hooksPath leaves them on."""
    if git_version()[:2] < _CONFIG_HOOKS_VERSION:
        return ()
    environment = clean_environment() | ({"GIT_DIR": os.fspath(git_dir)} if git_dir else {})
    listed = subprocess.run(
        ["git", "config", "-z", "--name-only", "--get-regexp", r"^hook\."],
        cwd=cwd,
        env=environment,
        capture_output=True,
        check=False,
    ).stdout
    keys = {os.fsdecode(key) for key in listed.split(b"\0") if key.count(b".") >= 2}
    names = sorted({key.partition(".")[2].rpartition(".")[0] for key in keys})
    return tuple(word for name in names for word in ("-c", f"hook.{name}.enabled=false"))
