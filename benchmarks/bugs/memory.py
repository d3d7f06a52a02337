"""Peak memory of a process with all its children, sampled from /proc."""

import threading
from pathlib import Path
from types import TracebackType

_PAGE_MB = 4096 / 1e6


class PeakMemory:
    """Samples twenty times a second while it is open. Shared pages count once for each process; `without` never."""

    def __init__(self, pid: int, *, without: int = 0) -> None:
        self._pid = pid
        self._without = without
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self.peak_mb = 0.0

    def __enter__(self) -> "PeakMemory":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._over.wait(0.05):
            self.peak_mb = max(self.peak_mb, sum(map(_resident_mb, _family(self._pid, self._without))))


def _family(pid: int, without: int) -> list[int]:
    found = [pid]
    for parent in found:
        try:
            for task in Path(f"/proc/{parent}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split() if int(child) != without]
        except OSError:
            continue
    return found


def _resident_mb(pid: int) -> float:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_MB
    except (OSError, IndexError):
        return 0.0
