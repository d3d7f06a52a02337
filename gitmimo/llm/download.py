"""Downloads of model files, and the Hugging Face hub as their source.

A machine that can't reach the hub loses seconds, not minutes.
"""

import importlib
import os
import re
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gitmimo.cancel import NEVER, CancelToken

_CONNECT_S = 4.0
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
