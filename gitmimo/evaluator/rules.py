"""The tables in `rules.toml`: names of files and signs in code that the evaluator knows."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Any


@cache
def _rules() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("rules.toml").read_text(encoding="utf-8"))


def read_rules(table: str) -> Any:
    """One table of the file."""
    return _rules()[table]
