"""The prompts, one file each; their bytes are stable, so that providers cache them."""

from functools import cache
from pathlib import Path


@cache
def read_prompt(name: str) -> str:
    """The text of `prompts/<name>.md`, without the last line end."""
    return (Path(__file__).parent / f"{name}.md").read_text(encoding="utf-8").rstrip("\n")
