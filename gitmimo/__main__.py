"""`python -m gitmimo` is `git mimo`, but for a folder `gitmimo` where it is started: Python prefers that one."""

import importlib
import sys

if not sys.flags.safe_path:
    del sys.path[0]  # where it was started: a project's own click.py must not stand in for click

importlib.import_module("gitmimo.cli.main").main()
