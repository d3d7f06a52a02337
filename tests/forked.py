"""The command line in processes that are forked from one which has imported it already: half a second less a run.

`python -m tests.forked SOCKET` is that process; it ends with its standard input. Each request is one line of JSON, and
the answer is the exit code, or nothing where the child was killed.
"""

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
_KILLED = -9


class Forks:
    """Runs the command line in forks of one process, which is started with the first run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._server: subprocess.Popen[bytes] | None = None
        self._path = ""

    def run(self, arguments: Sequence[str], *, cwd: Path, env: Mapping[str, str], files: Sequence[Path]) -> int:
        """Run `git mimo ARGUMENTS` with files as stdin, stdout and stderr; its exit code."""
        request = {"arguments": [*arguments], "cwd": str(cwd), "env": dict(env), "files": [str(file) for file in files]}
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(240)
            connection.connect(self._address())
            connection.sendall(json.dumps(request).encode() + b"\n")
            answer = connection.makefile().readline()
        return int(answer) if answer else _KILLED

    def _address(self) -> str:
        with self._lock:
            if self._server is None or self._server.poll() is not None:
                self._path = str(Path(tempfile.mkdtemp(prefix="forks-")) / "socket")
                command = [sys.executable, "-m", "tests.forked", self._path]
                self._server = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
                assert self._server.stdout
                assert self._server.stdout.readline() == b"ready\n"
            return self._path


def serve(path: str) -> None:
    """Import everything once, then fork for each request."""
    import gitmimo.cli.main
    import gitmimo.cli.review
    import gitmimo.cli.sessions
    import gitmimo.cli.start
    import gitmimo.workflow.start  # noqa: F401

    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(64)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the children
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while sys.stdin not in select.select([listener, sys.stdin], [], [])[0]:
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            _answer(connection)
        connection.close()
    Path(path).unlink()
    Path(path).parent.rmdir()


def _answer(connection: socket.socket) -> None:
    """In the fork: become the command, run it, and say how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    request = json.loads(connection.makefile().readline())
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    for number, (name, flags) in enumerate(zip(request["files"], (os.O_RDONLY, os.O_RDWR, os.O_RDWR), strict=True)):
        opened = os.open(name, flags)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin = open(0, closefd=False)  # noqa: PTH123, SIM115
    sys.argv = ["git-mimo", *request["arguments"]]
    _find_config_again()
    code = _run()
    connection.sendall(f"{code}\n".encode())
    os._exit(code)


def _find_config_again() -> None:
    """libgit2 found its search paths when it was imported, with another HOME."""
    import pygit2

    home = os.environ.get("HOME", "")
    for level in (pygit2.enums.ConfigLevel.GLOBAL, pygit2.enums.ConfigLevel.XDG, pygit2.enums.ConfigLevel.SYSTEM):
        pygit2.settings.search_path[level] = home


def _run() -> int:
    from gitmimo.cli.main import main

    try:
        main()
        code = 0
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else int(ending.code is not None)
    threading._shutdown()  # type: ignore[attr-defined]  # as the interpreter does before it ends
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return code


if __name__ == "__main__":
    serve(sys.argv[1])
