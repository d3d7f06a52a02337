"""Options and short forms of values that even the fastest commands share: it imports next to nothing."""

import re
from collections.abc import Callable
from typing import Any

import click

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")


def session_argument(function: Callable[..., Any]) -> Callable[..., Any]:
    """A session, named by its id, a unique beginning of it, or a branch; the newest when absent."""
    return click.argument("session", required=False)(function)


def short(text: str, length: int) -> str:
    """The first line of a text, cut to a length."""
    line = re.sub(r"\s+", " ", text).strip()
    return line if len(line) <= length else line[: length - 1] + "…"


def usd(amount: float) -> str:
    """Money as people write it: no digits for nothing, more for little."""
    if not amount:
        return "$0"
    return f"${amount:.4f}" if amount < 0.1 else f"${amount:.2f}"


def seconds(amount: float) -> str:
    """A duration as people say it."""
    if amount < 60:
        return f"{amount:.1f}s" if amount < 10 else f"{amount:.0f}s"
    minutes, rest = divmod(round(amount), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02d}m" if hours else f"{minutes}m{rest:02d}s"


def tokens(amount: int) -> str:
    """A number of tokens, shortened."""
    return str(amount) if amount < 10_000 else f"{amount / 1000:.0f}k" if amount < 1_000_000 else f"{amount / 1e6:.1f}M"
