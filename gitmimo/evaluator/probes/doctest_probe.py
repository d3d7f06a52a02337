"""Runs the examples of documentation texts on the modules of a tree, and writes which of them pass and which fail.

`doctest_probe.py SETTINGS`: the texts come with the settings, so that those of one version can be run on another.
"""

import doctest
import importlib
import json
import os
import sys
from pathlib import Path


class _Runner(doctest.DocTestRunner):
    """Notes which examples fail, and says nothing."""

    def __init__(self) -> None:
        super().__init__(verbose=False)
        self.failed: set[int] = set()

    def report_failure(self, out: object, test: object, example: doctest.Example, got: str) -> None:
        self.failed.add(example.lineno)

    def report_unexpected_exception(
        self, out: object, test: object, example: doctest.Example, exc_info: object
    ) -> None:
        self.failed.add(example.lineno)


def main() -> None:
    """Run each text's examples with the globals of its module; write lines of those that pass, and of the others."""
    settings = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    sys.path[:0] = settings["roots"]
    found = {}
    for text in settings["texts"]:
        if settings["named"]:  # as pytest does, for what records calls
            os.environ["PYTEST_CURRENT_TEST"] = f"{text['name']} (call)"
        try:
            known = dict(vars(importlib.import_module(text["module"])))
            test = doctest.DocTestParser().get_doctest(text["text"], known, text["name"], None, None)
            runner = _Runner()
            runner.run(test, out=lambda _: None)
            lines = {one.lineno for one in test.examples}
            found[text["name"]] = [sorted(lines - runner.failed), sorted(lines & runner.failed)]
        except Exception:  # noqa: BLE001 - the project's module, or a text that is no example
            found[text["name"]] = [[], []]
    Path(settings["out"]).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
