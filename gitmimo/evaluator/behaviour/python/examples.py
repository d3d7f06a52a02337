"""Runs the examples in the documentation of modules, so that their calls are recorded like those of tests.

`examples.py SETTINGS`: writes whether each documentation text's examples hold.
"""

from __future__ import annotations

import doctest
import importlib
import json
import os
import sys
from pathlib import Path


def main() -> None:
    """Run the examples of each module, named `path::module.name` as pytest names them."""
    settings = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    sys.path[:0] = settings["roots"]
    passed = {}
    for path, name in settings["modules"]:
        try:
            module = importlib.import_module(name)
            tests = [test for test in doctest.DocTestFinder(exclude_empty=True).find(module) if test.examples]
        except Exception:  # noqa: BLE001 - the project's module
            continue
        for test in tests:
            about = f"{path}::{test.name}"
            os.environ["PYTEST_CURRENT_TEST"] = f"{about} (call)"
            failed = doctest.DocTestRunner(verbose=False).run(test, out=lambda text: None).failed
            passed[about] = not failed
    Path(settings["out"]).write_text(json.dumps(passed), encoding="utf-8")


if __name__ == "__main__":
    main()
