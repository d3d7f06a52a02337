"""`python -m gitmimo` is `git mimo`."""

from gitmimo.cli.main import main

main()
