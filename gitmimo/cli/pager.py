"""Show long text in the pager that git would use."""

import os
import shlex
import shutil
import sys

from gitmimo.cli import render


def page(text: str) -> None:
    """Show a text through the user's pager, or plainly where stdout is no terminal or the pager is `cat`."""
    if not sys.stdout.isatty() or os.environ.get("GIT_PAGER_IN_USE"):
        render.out_raw(text)
        return
    import subprocess

    from gitmimo.git.run import clean_environment, user_program

    pager = user_program("GIT_PAGER") or "less"
    program = (shlex.split(pager) or ["cat"])[0]
    if program == "cat" or not shutil.which(program):
        render.out_raw(text)
        return
    environment = clean_environment() | {"LESS": os.environ.get("LESS", "FRX"), "LV": os.environ.get("LV", "-c")}
    render.flush()
    with subprocess.Popen(["sh", "-c", pager], stdin=subprocess.PIPE, env=environment) as process:
        process.communicate(text.encode(errors="replace"))
