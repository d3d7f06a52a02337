"""Install hooks beside existing ones, and remove them without a trace.

Covered: hooks named in the configuration where git has them (2.54); otherwise a file that runs the one it found first,
with the same `$0`, arguments and input. husky's generated directory and the files of pre-commit and lefthook count as
found. Not covered: hook directories that are committed or outside the repository: there the user gets
a line to add by hand. `core.hooksPath` is never written.
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
from gitmimo.git.run import clean_environment, git_version

EVENTS = ("pre-push", "commit-msg", "post-merge", "post-rewrite")
CONFIG_HOOKS_VERSION = (2, 54)
SAVED_SUFFIX = ".before-mimo"
MARK = "# git-mimo hook 1"
_READS_INPUT = ("pre-push", "post-rewrite")

_SCRIPT = """\
#!/bin/sh
{mark}: made by `git mimo init --hooks`, taken away by `git mimo init --unhook`, which puts back what was here
self=${{0%.legacy}}  # pre-commit moves what it finds there and runs it
saved="$self{suffix}"
run_saved() {{
    [ -x "$saved" ] || return 0
    IFS= read -r first < "$saved" || :
    case "$first" in
        # under its old name: husky and others look at $0
        '#!'*bash*) bash -c '. "$0{suffix}"' "$self" "$@" ;;
        '#!'*/sh|'#!'*/sh\\ *|'#!'*env\\ sh|'#!'*/dash) sh -c '. "$0{suffix}"' "$self" "$@" ;;
        *) "$saved" "$@" ;;
    esac
}}
run_mimo() {{
    if [ -x {program} ]; then
        {command} hook {event} "$@"
    elif command -v git-mimo >/dev/null 2>&1; then
        git-mimo hook {event} "$@"
    else
        echo 'git-mimo is gone, so its {event} hook did nothing; `rm "'"$0"'"` removes it' >&2
    fi
}}
"""
_WITH_INPUT = """\
input=$(cat; echo x)
input=${input%x}
printf '%s' "$input" | run_saved "$@" || exit $?
printf '%s' "$input" | run_mimo "$@"
"""
_WITHOUT_INPUT = """\
run_saved "$@" || exit $?
run_mimo "$@"
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
        raise RepoError("git-mimo is not installed, so a hook could not start it", hint=_install_requirement())
    return (str(Path(found).absolute()),)


def _install_requirement() -> str:
    """The requirement that installs the checkout that this runs from."""
    return f"{sys.executable} -m pip install -e {Path(__file__).resolve().parents[2]}"


def install_hooks(
    repository: Repository, *, command: Sequence[str], use_config: bool | None = None
) -> tuple[HookChange, ...]:
    """Install all hooks; doing it twice changes nothing. `command` runs git-mimo, by an absolute path."""
    by_config = git_version()[:2] >= CONFIG_HOOKS_VERSION if use_config is None else use_config
    if by_config:
        return tuple(_install_config(repository, event, command) for event in EVENTS)
    directory = hooks_directory(repository)
    refusal = _write_obstacle(repository, directory)
    if refusal:
        return tuple(
            HookChange(event=event, state="by-hand", where=str(directory / event), hint=_by_hand(event, refusal))
            for event in EVENTS
        )
    directory.mkdir(parents=True, exist_ok=True)
    return tuple(_install_file(directory / event, event, command) for event in EVENTS)


def remove_hooks(repository: Repository) -> tuple[HookChange, ...]:
    """Remove our hooks from configuration and files, and restore what they had replaced, byte for byte."""
    directory = hooks_directory(repository)
    return tuple(
        _remove_config(repository, event) or _remove_file(directory / event, event, directory) for event in EVENTS
    )


def hooks_directory(repository: Repository) -> Path:
    """The directory in which git looks for hook files, `core.hooksPath` respected."""
    # as the user's git sees it: our own calls turn hooks off by this very setting
    configured = repository.run("config", "--path", "core.hooksPath", check=False, user_hooks=True)
    if configured.exit_code == 0 and configured.text:
        return (repository.work_tree or repository.common_dir) / configured.text
    return repository.common_dir / "hooks"


def hook_script(event: str, command: Sequence[str]) -> str:
    """The text of a hook file that runs the previous hook first, then ours."""
    program = shlex.quote(command[0])
    head = _SCRIPT.format(
        mark=MARK, suffix=SAVED_SUFFIX, event=event, program=program, command=" ".join(map(shlex.quote, command))
    )
    return head + (_WITH_INPUT if event in _READS_INPUT else _WITHOUT_INPUT)


def _install_config(repository: Repository, event: str, command: Sequence[str]) -> HookChange:
    name = f"hook.mimo-{event}"
    words = " ".join(map(shlex.quote, [*command, "hook", event]))
    wanted = {f"{name}.event": event, f"{name}.command": words}
    current = {key: repository.run("config", "--local", key, check=False).text for key in wanted}
    if current == wanted:
        return HookChange(event=event, state="kept", where=name)
    for key, value in wanted.items():
        repository.run("config", "--local", "--replace-all", key, value)
    return HookChange(event=event, state="installed", where=name)


def _remove_config(repository: Repository, event: str) -> HookChange | None:
    if not _in_config(repository, event):
        return None
    repository.run("config", "--local", "--remove-section", f"hook.mimo-{event}")
    return HookChange(event=event, state="removed", where=f"hook.mimo-{event}")


def _in_config(repository: Repository, event: str) -> bool:
    return repository.run("config", "--local", f"hook.mimo-{event}.event", check=False).exit_code == 0


def _install_file(path: Path, event: str, command: Sequence[str]) -> HookChange:
    script = hook_script(event, command).encode()
    saved = path.with_name(path.name + SAVED_SUFFIX)
    if _is_ours(path):
        if path.read_bytes() == script:
            return HookChange(event=event, state="kept", where=str(path))
    elif path.is_symlink() or path.exists():
        if saved.exists() or saved.is_symlink():
            raise RepoError(
                f"another hook was saved before and would be lost: `{saved}`", hint=f"mv '{saved}' '{saved}.old'"
            )
        path.rename(saved)
    write_file(path, script, mode=0o755)
    return HookChange(event=event, state="installed", where=str(path))


def _remove_file(path: Path, event: str, directory: Path) -> HookChange:
    saved = path.with_name(path.name + SAVED_SUFFIX)
    for moved in (path.with_name(f"{path.name}.legacy"), path.with_name(f"{path.name}.old")):
        # pre-commit and lefthook move what they find out of their way, ours too
        if _is_ours(moved):
            _restore_saved(moved, saved)
            return HookChange(event=event, state="removed", where=str(moved))
    if _is_ours(path):
        _restore_saved(path, saved)
        return HookChange(event=event, state="removed", where=str(path))
    if saved.exists() and not path.exists():
        saved.rename(path)
        return HookChange(event=event, state="removed", where=str(path))
    if saved.exists():
        hint = f"another tool has replaced the hook; the previous one is in '{saved}'"
        return HookChange(event=event, state="by-hand", where=str(saved), hint=hint)
    return HookChange(event=event, state="absent", where=str(directory / event))


def _restore_saved(path: Path, saved: Path) -> None:
    if saved.exists() or saved.is_symlink():
        saved.replace(path)
    else:
        path.unlink()


def _is_ours(path: Path) -> bool:
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return False
        with path.open("rb") as file:
            return MARK.encode() in file.read(200)
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


def _by_hand(event: str, refusal: str) -> str:
    return f'{refusal}; add this line to its {event} hook: git mimo hook {event} "$@"'
