"""HTML as values: everything that is not `Markup` is made visible and escaped."""

import html
import re
from collections.abc import Iterable
from typing import TypeAlias

from gitmimo.text import escape_controls, hidden_characters

_MARKS = re.compile(r"&lt;U\+[0-9A-F]{4,6}&gt;|\\x[0-9a-f]{2}")
_VOID = frozenset({"br", "hr", "meta", "input", "link", "col"})


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


Child: TypeAlias = "str | Markup | None | Iterable[Child]"


def escape(text: str) -> str:
    """Escape a text and show what is hidden in it, marked as such."""
    if text.isascii() and text.isprintable():
        return html.escape(text)
    shown = html.escape(escape_controls(text))
    return _MARKS.sub(r"<mark>\g<0></mark>", shown) if hidden_characters(text) else shown


def tag(element: str, /, *children: Child, **attributes: str | int | float | bool | None) -> Markup:
    """Build an element. `class_` is class, `data_x` is data-x; False and None leave an attribute out."""
    opening = f"<{element}{''.join(_attribute(key, value) for key, value in attributes.items())}>"
    return Markup(opening if element in _VOID else f"{opening}{join(*children)}</{element}>")


def join(*children: Child) -> Markup:
    """Put pieces after each other."""
    pieces: list[str] = []
    for child in children:
        if child is None:
            continue
        if isinstance(child, Markup):
            pieces.append(child)
        elif isinstance(child, str):
            pieces.append(escape(child))
        else:
            pieces.append(join(*child))
    return Markup("".join(pieces))


def prose(text: str) -> Markup:
    """A sentence in which what stands between backticks is code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return join(text)
    return join(*(tag("code", part) if number % 2 else part for number, part in enumerate(parts)))


def _attribute(key: str, value: str | int | float | bool | None) -> str:
    name = key.rstrip("_").replace("_", "-")
    if value is None or value is False:
        return ""
    if value is True:
        return f" {name}"
    if isinstance(value, float):
        value = f"{value:.2f}".rstrip("0").rstrip(".")
    quoted = html.escape(escape_controls(str(value), newlines=False), quote=False).replace('"', "&quot;")
    return f' {name}="{quoted}"'
