"""What a person keeps outside the repository: approvals of exactly the bytes that it brings, and API keys."""

import hashlib
import json
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gitmimo.config import Config
from gitmimo.errors import ConfigError, NeedsPerson
from gitmimo.files import write_file
from gitmimo.git.repository import Repository
from gitmimo.git.run import run_git
from gitmimo.ids import utc_now
from gitmimo.llm.providers import find_provider
from gitmimo.memory.skill_file import Skill
from gitmimo.workflow.directories import config_home, repository_key, state_home

_HOST = "git-mimo.invalid"  # a host that can't exist, so that no key is ever sent anywhere as a git password


def brought_commands(config: Config) -> dict[str, tuple[str, ...]]:
    """The commands in force that came from the committed `.mimo/config.yaml`, by option name."""
    found = {}
    for setting in config.settings.values():
        if setting.option.is_command and setting.origin == ".mimo/config.yaml" and setting.value:
            value = setting.value
            found[setting.option.name] = tuple(value) if isinstance(value, tuple) else (str(value),)
    return found


def digest_of(commands: Mapping[str, tuple[str, ...]]) -> str:
    """A hash over names and commands: one byte changed is another hash."""
    text = json.dumps({name: list(values) for name, values in commands.items()}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def is_approved(repository: Repository, digest: str) -> bool:
    """Whether a person approved this content for this repository on this machine."""
    return digest in _read(_path(repository))


def approve(repository: Repository, digest: str, *, what: str) -> None:
    """Remember an approval. It is stored outside the repository, where no clone or candidate can plant one."""
    path = _path(repository)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    approvals = _read(path) | {digest: {"what": what, "at": utc_now().isoformat()}}
    write_file(path, json.dumps(approvals, indent=1))


def withdraw(repository: Repository) -> int:
    """Forget every approval of this repository; say how many there were."""
    count = len(_read(_path(repository)))
    _path(repository).unlink(missing_ok=True)
    return count


def require_trust(repository: Repository, config: Config) -> None:
    """Raise NeedsPerson unless every command that the repository brings is approved."""
    commands = brought_commands(config)
    if commands and not is_approved(repository, digest_of(commands)):
        listed = "; ".join(f"{name}: {' | '.join(values)}" for name, values in commands.items())
        raise NeedsPerson(
            f"`.mimo/config.yaml` brings commands that nobody here has approved ({listed})", hint="git mimo trust"
        )


def _path(repository: Repository) -> Path:
    return state_home() / "trust" / f"{repository_key(repository)}.json"


def _read(path: Path) -> dict[str, Any]:
    """A file of approvals or keys; ConfigError where it cannot be read."""
    try:
        return dict(json.loads(path.read_text()))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError) as exc:
        raise ConfigError(f"cannot read `{path}`", hint=f"rm {path}") from exc


def find_key(provider: str, environ: Mapping[str, str]) -> str | None:
    """Look a provider's key up, in its own variables first; None when it is nowhere. Never asks on the terminal."""
    given = (environ.get(variable) for variable in key_variables(provider))
    return next(filter(None, given), None) or _from_helper(provider) or _read_keys().get(provider)


def key_variables(provider: str) -> tuple[str, ...]:
    """The environment variables that may hold a provider's key."""
    known = find_provider(provider)
    return known.key_variables if known else (f"{provider.upper()}_API_KEY",)


def store_key(provider: str, key: str) -> str:
    """Keep a key in the credential helper if there is one that keeps it, else in a 0600 file; say where."""
    if "\n" in key or "\0" in key:
        raise ConfigError("a key is one line")
    if _has_helper():
        run_git(["credential", "approve"], input=_question(provider, key).encode(), check=False)
        if _from_helper(provider) == key:
            return "git's credential helper"
    _write_keys(_read_keys() | {provider: key})
    return str(_key_file())


def forget_key(provider: str) -> None:
    """Remove a provider's key from both places."""
    if _has_helper():
        run_git(["credential", "reject"], input=_question(provider).encode(), check=False)
    keys = _read_keys()
    if keys.pop(provider, None) is not None:
        _write_keys(keys)


def _question(provider: str, key: str = "") -> str:
    text = f"protocol=https\nhost={_HOST}\nusername={provider}\n"
    return text + (f"password={key}\n\n" if key else "\n")


def _has_helper() -> bool:
    return bool(run_git(["config", "--get-all", "credential.helper"], check=False).stdout.strip())


def _from_helper(provider: str) -> str | None:
    if not _has_helper():
        return None
    done = run_git(
        ["-c", "credential.interactive=false", "credential", "fill"],
        input=_question(provider).encode(),
        check=False,
        env={"GIT_ASKPASS": "", "SSH_ASKPASS": ""},
    )
    for line in done.stdout.decode(errors="replace").splitlines():
        if line.startswith("password="):
            return line.removeprefix("password=") or None
    return None


def _key_file() -> Path:
    return config_home() / "keys.json"


def _write_keys(keys: Mapping[str, str]) -> None:
    path = _key_file()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_file(path, json.dumps(dict(keys)), synced=True)


def _read_keys() -> dict[str, str]:
    path = _key_file()
    if path.exists() and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(f"others can read the keys in `{path}`", hint=f"chmod 600 {path}")
    return _read(path)


def skill_json(repository: Repository, skill: Skill) -> dict[str, object]:
    """A skill as a list of skills has it."""
    return {
        "name": skill.name,
        "description": skill.description,
        "runs": skill.script is not None,
        "approved": is_approved(repository, skill.digest),
        "parameters": list(skill.parameters),
        "commits": list(skill.commits),
    }
