"""Words of tasks, messages and paths, normalised for comparison."""

import re

_COMMON = frozenset(
    re.findall(
        r"\w+",
        "a an the is are be been of to in on for and or with by this that these it its as at from i we you "
        "please should must can could would will need needs want now not no so also there which what when "
        "then than into all any each make made do does use used using my our us new some",
    )
)
_PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+(?:\.[0-9]+)*")


def words_of(text: str) -> list[str]:
    """The significant words of a text in order, lower case, identifiers split, endings cut; may repeat."""
    parts = (part.lower() for part in _PARTS.findall(text))
    return [_stem(part) for part in parts if len(part) > 1 and part not in _COMMON]


def _stem(word: str) -> str:
    for ending, rest in (("ies", "y"), ("sses", "ss"), ("ing", ""), ("ed", ""), ("es", "e"), ("s", "")):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            word = word.removesuffix(ending) + rest
            break
    return word.removesuffix("e") if len(word) > 3 else word
