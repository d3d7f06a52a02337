"""Trust: commands that a repository brings run only after a person approved exactly these bytes."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from gitmimo.config import Config
from gitmimo.errors import ConfigError, NeedsPerson
from gitmimo.files import write_file
from gitmimo.git.repository import Repository
from gitmimo.records import utc_now
from gitmimo.workflow.directories import repository_key, state_home


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
    return digest in _read(repository)


def approve(repository: Repository, digest: str, *, what: str) -> None:
    """Remember an approval. It is stored outside the repository, where no clone or candidate can plant one."""
    path = _path(repository)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    approvals = _read(repository) | {digest: {"what": what, "at": utc_now().isoformat()}}
    write_file(path, json.dumps(approvals, indent=1))


def withdraw(repository: Repository) -> int:
    """Forget every approval of this repository; say how many there were."""
    count = len(_read(repository))
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


def _read(repository: Repository) -> dict[str, dict[str, str]]:
    path = _path(repository)
    try:
        value = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as exc:
        raise ConfigError(f"cannot read the approvals in `{path}`", hint=f"rm {path}") from exc
    return dict(value)
