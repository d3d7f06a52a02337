"""Install hooks where none is yet, and remove them.

Each is a file. A hook of another's is never touched, nor a hook directory that is committed or outside the repository,
nor `core.hooksPath`: there the user gets a line to add by hand.
"""

import os
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gitmimo.errors import RepoError
from gitmimo.files import write_file
from gitmimo.git.repository import Repository
from gitmimo.git.run import clean_environment

EVENTS = ("pre-push", "commit-msg", "post-merge", "post-rewrite")
_MARK = "# git-mimo hook 1"
_SCRIPT = """\
#!/bin/sh
{mark}: made by `git mimo init --hooks`, removed by `git mimo init --unhook`
if [ -x {program} ]; then
    exec {command} hook {event} "$@"
elif command -v git-mimo >/dev/null 2>&1; then
    exec git-mimo hook {event} "$@"
fi
echo 'git-mimo is gone, so its {event} hook did nothing; `rm "'"$0"'"` removes it' >&2
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class HookChange:
    """The result for one event's hook. `state` is installed, removed, kept, absent or by-hand, which has a `hint`."""

    event: str
    state: str
    where: str
    hint: str = ""


def find_own_command() -> tuple[str, ...]:
    """The command by which a hook starts the installed git-mimo: isolated, by absolute path."""
    isolated = (sys.executable, "-I", "-m", "gitmimo")
    done = subprocess.run([*isolated, "--version"], capture_output=True, check=False, cwd="/", env=clean_environment())
    if done.returncode == 0:
        return isolated
    found = shutil.which("git-mimo")
    if found is None:
        install = f"{sys.executable} -m pip install -e {Path(__file__).resolve().parents[2]}"
        raise RepoError("git-mimo is not installed, so a hook could not start it", hint=install)
    return (str(Path(found).absolute()),)


def install_hooks(repository: Repository, *, command: Sequence[str]) -> tuple[HookChange, ...]:
    """Install all hooks; doing it twice changes nothing. `command` runs git-mimo, by an absolute path."""
    directory = _hooks_directory(repository)
    refusal = _write_obstacle(repository, directory)
    if not refusal:
        directory.mkdir(parents=True, exist_ok=True)
    return tuple(_install(directory / event, refusal, command) for event in EVENTS)


def remove_hooks(repository: Repository) -> tuple[HookChange, ...]:
    """Remove our hooks."""
    directory = _hooks_directory(repository)
    return tuple(_remove(directory / event) for event in EVENTS)


def _hooks_directory(repository: Repository) -> Path:
    """The directory in which git looks for hook files, `core.hooksPath` respected."""
    # as the user's git sees it: our own calls turn hooks off by this very setting
    configured = repository.run("config", "--path", "core.hooksPath", check=False, user_hooks=True)
    if configured.exit_code == 0 and configured.text:
        return (repository.work_tree or repository.common_dir) / configured.text
    return repository.common_dir / "hooks"


def _install(path: Path, refusal: str, command: Sequence[str]) -> HookChange:
    event = path.name
    words = list(map(shlex.quote, command))
    script = _SCRIPT.format(mark=_MARK, event=event, program=words[0], command=" ".join(words)).encode()
    if not refusal and not _is_ours(path) and (path.is_symlink() or path.exists()):
        refusal = f"there is another hook: `{path}`"
    if refusal:
        hint = f'{refusal}; add this line to its {event} hook: git mimo hook {event} "$@"'
        return HookChange(event=event, state="by-hand", where=str(path), hint=hint)
    if path.exists() and path.read_bytes() == script:
        return HookChange(event=event, state="kept", where=str(path))
    write_file(path, script, mode=0o755)
    return HookChange(event=event, state="installed", where=str(path))


def _remove(path: Path) -> HookChange:
    # pre-commit and lefthook move what they find out of their way, and run it from there
    for place in (path, path.with_name(f"{path.name}.legacy"), path.with_name(f"{path.name}.old")):
        if _is_ours(place):
            place.unlink()
            return HookChange(event=path.name, state="removed", where=str(place))
    return HookChange(event=path.name, state="absent", where=str(path))


def _is_ours(path: Path) -> bool:
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return False
        with path.open("rb") as file:
            return _MARK.encode() in file.read(200)
    except OSError:
        return False


def _write_obstacle(repository: Repository, directory: Path) -> str:
    """Say why a hooks directory must not be written to; empty when it may be."""
    where = Path(os.path.realpath(directory))
    if where.is_relative_to(os.path.realpath(repository.common_dir)):
        return ""
    top = repository.work_tree
    if top is None or not where.is_relative_to(os.path.realpath(top)):
        return f"`core.hooksPath` points out of this repository: `{directory}`"
    ignored = repository.run("check-ignore", "--quiet", "--no-index", where / "pre-push", check=False).exit_code == 0
    tracked = repository.run("ls-files", "--", where, check=False).stdout
    return "" if ignored and not tracked else f"its hooks are files of the project: `{directory}`"
