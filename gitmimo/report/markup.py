"""Pages from Jinja2 templates; all text from outside is escaped and its hidden characters shown."""

import functools
import html
import re
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from gitmimo.report.summary import kinds_of, target_of, tests_text, used_by
from gitmimo.text import counted, cut_middle, escape_controls, hidden_characters, one_line, seconds, tokens, usd

MOST_CHARACTERS = 3_000  # of one text of a step
STYLES = {"passed": "good", "failed": "bad", "error": "bad"}  # of a session's status
_MARKS = re.compile(r"&lt;U\+[0-9A-F]{4,6}&gt;|\\x[0-9a-f]{2}")


def render(template: str, **values: object) -> Markup:
    """Fill a template of `report/templates/`. Values that are not `Markup` are escaped as `escape` does."""
    return Markup(_environment().get_template(template).render(**values))


def escape(text: str) -> Markup:
    """Escape text for the content of an element and show its hidden characters, marked as such."""
    if text.isascii() and text.isprintable():
        return Markup(html.escape(text))
    shown = html.escape(escape_controls(text))
    return Markup(_MARKS.sub(r"<mark>\g<0></mark>", shown) if hidden_characters(text) else shown)


def prose(text: str) -> Markup:
    """A sentence in which text between backticks becomes code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return escape(text)
    return Markup("").join(
        Markup(f"<code>{escape(part)}</code>") if number % 2 else escape(part) for number, part in enumerate(parts)
    )


def path_text(path: str) -> Markup:
    """A path that may wrap after its slashes."""
    return Markup("/<wbr>").join(escape(part) for part in path.replace("\n", "\\n").split("/"))


def quoted(value: object) -> Markup:
    """A value for an attribute, without marks."""
    return Markup(html.escape(escape_controls(str(value), newlines=False), quote=True))


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("gitmimo.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "prose": prose,
        "path": path_text,
        "quoted": quoted,
        "usd": usd,
        "seconds": seconds,
        "tokens": tokens,
        "counted": counted,
        "words": lambda text: str(text).replace("_", " "),
        "cut": lambda text: cut_middle(text, MOST_CHARACTERS),
        "line": lambda text: one_line(text, 160),
        "style": lambda status: STYLES.get(str(status), "warn"),
        "tests": tests_text,
        "kinds": kinds_of,
        "target": target_of,
        "used": used_by,
    }
    environment.globals["zip"] = zip
    return environment


def _finalize(value: Any) -> Markup:
    if isinstance(value, Markup):
        return value
    return Markup("") if value is None else escape(str(value))
