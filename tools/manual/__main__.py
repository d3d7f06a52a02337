"""`python -m tools.manual --write`: bring every page made from commands, records or prompts up to date."""

from pathlib import Path

import click

from gitmimo.cli import render
from tools.manual.entries import read_entries
from tools.manual.pages import write_page, write_reference
from tools.manual.prompts import write_prompts
from tools.manual.schemas import write_schemas

ROOT = Path(__file__).parents[2]


def pages() -> dict[Path, str]:
    """Every page by its path in the checkout."""
    entries = read_entries()
    return {
        Path("docs/commands.md"): write_reference(entries),
        Path("docs/prompts.md"): write_prompts(),
        Path("gitmimo/share/man/man1/git-mimo.1"): write_page(entries),
        **{Path("gitmimo/schemas") / name: text for name, text in write_schemas().items()},
    }


@click.command()
@click.option("--write", is_flag=True, help="Write what differs; without it only say so, and exit 1.")
def main(write: bool) -> None:
    """Compare the pages with the command line."""
    differing = [(path, text) for path, text in pages().items() if _read(ROOT / path) != text]
    for path, text in differing:
        if write:
            (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
            (ROOT / path).write_text(text, encoding="utf-8")
        render.say(f"{'written' if write else 'differs'}: {path}")
    if differing and not write:
        raise SystemExit(1)


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


if __name__ == "__main__":
    main()
