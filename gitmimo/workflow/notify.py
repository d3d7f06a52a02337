"""The person's own command, run when a session ends."""

import os
import subprocess
from collections.abc import Callable

from gitmimo.codec import dump_json
from gitmimo.git.repository import Repository
from gitmimo.git.run import clean_environment
from gitmimo.results import SessionResult
from gitmimo.workflow.land import result_json

_LIMIT_S = 60.0


def notify(command: str, repository: Repository, result: SessionResult, *, warn: Callable[[str], None]) -> None:
    """Run `mimo.notify` by the shell in the checkout: the result as JSON on stdin, its main facts as variables.

    It can't change how the session ended: a command that fails or hangs is named and left.
    """
    if not command:
        return
    facts = {
        "MIMO_SESSION": result.session,
        "MIMO_STATUS": result.status.value,
        "MIMO_RESULT_BRANCH": result.result_branch or "",
        "MIMO_MERGED": "1" if result.merged else "",
    }
    try:
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=repository.work_tree or repository.git_dir,
            env={**clean_environment(os.environ), **facts},
            input=dump_json(result_json(result)).encode(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        warn(f"mimo.notify failed: {exc}")
        return
    if done.returncode:
        warn(f"mimo.notify exited with {done.returncode}: {done.stderr.decode(errors='replace').strip()[:200]}")
