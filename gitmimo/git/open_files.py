"""Which files living processes hold open, as far as the system tells."""

import contextlib
import os
from pathlib import Path


def is_open(path: Path) -> bool:
    """Whether a process has the file open; False also where the system doesn't tell."""
    wanted = os.path.realpath(path)
    for handle in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if str(handle.readlink()) == wanted:
                return True
    return False
