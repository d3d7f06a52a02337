"""Runs the command line again and again in forks of one process that has it imported: Python starts only once.

`python -m benchmarks.forker` reads JSON lines (`words`, `env`, `cwd`) and answers each with one (`code`, `out`, `err`).
Where `env` has FAULT_COUNT, the child calls `begin_faults` of the preloaded `faults.c` first.
"""

import ctypes
import importlib
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from gitmimo.cli.main import COMMANDS, run


def main() -> None:
    """Serve until standard input ends."""
    for module in {module for module, _ in COMMANDS.values()}:
        importlib.import_module(f"gitmimo.cli.{module}")
    for line in sys.stdin:
        asked = json.loads(line)
        sys.stdout.write(json.dumps(_run_forked(**asked)) + "\n")
        sys.stdout.flush()


def _run_forked(*, words: list[str], env: dict[str, str], cwd: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as directory:
        out, err = Path(directory) / "out", Path(directory) / "err"
        child = os.fork()
        if child == 0:
            _become(words, env, cwd, out, err)
        _, status = os.waitpid(child, 0)
        return {
            "code": os.waitstatus_to_exitcode(status),
            "out": out.read_text(errors="replace"),
            "err": err.read_text(errors="replace"),
        }


def _become(words: list[str], env: dict[str, str], cwd: str, out: Path, err: Path) -> None:
    code = 70
    try:
        for handle, path, flags in ((0, "/dev/null", os.O_RDONLY), (1, out, os.O_WRONLY | os.O_CREAT),
                                    (2, err, os.O_WRONLY | os.O_CREAT)):  # fmt: skip
            os.dup2(os.open(path, flags, 0o600), handle)
        os.environ.update(env)
        os.chdir(cwd)
        if "FAULT_COUNT" in env:
            ctypes.CDLL(None).begin_faults()
        code = run(words)
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        code = 128  # what it said could not be written
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()
