"""Evidence stored under a key of its inputs, so that nothing is tested twice, not even by two threads at once."""

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from gitmimo.codec import dump_json, from_json
from gitmimo.files import write_file
from gitmimo.locks import hold_lock
from gitmimo.records import Oid

_SCHEMA = "git-mimo/evidence/2"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class EvidenceStore:
    """A directory of evidence that may vanish at any time; files that can't be read count as absent."""

    directory: Path

    def find(self, key: str, kind: type[T]) -> T | None:
        """The record under a key, evidence or a comparison of behaviour, if it is there and whole."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            stored = json.loads((self.directory / f"{key}.json").read_text(encoding="utf-8"))
            if stored["schema"] == _SCHEMA and stored["key"] == key:
                return from_json(kind, stored["evidence"])
        return None

    def keep(self, key: str, evidence: object) -> None:
        """Write it under the key: whole or not at all."""
        self.directory.mkdir(parents=True, exist_ok=True)
        stored = {"schema": _SCHEMA, "key": key, "evidence": json.loads(dump_json(evidence))}
        write_file(self.directory / f"{key}.json", json.dumps(stored))

    @contextlib.contextmanager
    def reserve(self, key: str, *, cancelled: Callable[[], bool] | None = None) -> Iterator[None]:
        """Make others who want the same key wait, in this process and in others."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with hold_lock(self.directory / f"{key}.lock", wait_s=24 * 3600, cancelled=cancelled or _never):
            yield


def evidence_key(*, tree: Oid, base: Oid, commands: tuple[str, ...], fingerprint: str) -> str:
    """The name of evidence: it changes when anything changes that the results depend on."""
    return hashlib.sha256("\0".join((_SCHEMA, tree, base, fingerprint, *commands)).encode()).hexdigest()[:40]


def _never() -> bool:
    return False
