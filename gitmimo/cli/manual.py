"""`python -m gitmimo.cli.manual`: the name by which `tools.manual` of a checkout was called before it moved there."""

import importlib

if __name__ == "__main__":
    importlib.import_module("tools.manual.__main__").main()
