"""API keys: the provider's own variable, then the user's credential helper, then a file only they can read."""

import json
import stat
from collections.abc import Mapping
from pathlib import Path

from gitmimo.errors import ConfigError
from gitmimo.files import write_file
from gitmimo.git.run import run_git
from gitmimo.workflow.directories import config_home

_HOST = "git-mimo.invalid"  # a host that can't exist, so that no key is ever sent anywhere as a git password


def find_key(provider: str, *, variables: tuple[str, ...], environ: Mapping[str, str]) -> str | None:
    """Look a provider's key up; None when it is nowhere. Never asks on the terminal."""
    for variable in variables:
        if environ.get(variable):
            return environ[variable]
    return _from_helper(provider) or _from_file(provider)


def store_key(provider: str, key: str) -> str:
    """Keep a key in the credential helper if there is one that keeps it, else in a 0600 file; say where."""
    if "\n" in key or "\0" in key:
        raise ConfigError("a key is one line")
    if _has_helper():
        run_git(["credential", "approve"], input=_question(provider, key).encode(), check=False)
        if _from_helper(provider) == key:
            return "git's credential helper"
    path = _key_file()
    keys = _read_file(path) | {provider: key}
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_file(path, json.dumps(dict(keys)), synced=True)
    return str(path)


def forget_key(provider: str) -> None:
    """Remove a provider's key from both places."""
    if _has_helper():
        run_git(["credential", "reject"], input=_question(provider).encode(), check=False)
    path = _key_file()
    keys = _read_file(path)
    if keys.pop(provider, None) is not None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_file(path, json.dumps(dict(keys)), synced=True)


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


def _from_file(provider: str) -> str | None:
    return _read_file(_key_file()).get(provider)


def _key_file() -> Path:
    return config_home() / "keys.json"


def _read_file(path: Path) -> dict[str, str]:
    try:
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise ConfigError(f"others can read the keys in `{path}`", hint=f"chmod 600 {path}")
        value = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as exc:
        raise ConfigError(f"cannot read the keys in `{path}`") from exc
    return {str(name): str(key) for name, key in value.items()} if isinstance(value, dict) else {}
