"""The prompts, one file each; their bytes are stable, so that providers cache them."""

import json
from functools import cache
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent


@cache
def read_prompt(name: str) -> str:
    """The text of `prompts/<name>.md`, without the last line end."""
    return (_HERE / f"{name}.md").read_text(encoding="utf-8").rstrip("\n")


def read_json(name: str) -> Any:
    """What `prompts/<name>.json` holds."""
    return json.loads((_HERE / f"{name}.json").read_text(encoding="utf-8"))
