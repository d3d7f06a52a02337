"""Splits an expression into numbers and signs."""

import re

TOKEN = re.compile(r"\s*(?:(\d+(?:\.\d+)?)|(\*\*|[-+*/()]))")


def tokenize(text):
    """Numbers as floats, signs as text."""
    text = text.rstrip()
    position = 0
    tokens = []
    while position < len(text):
        match = TOKEN.match(text, position)
        if not match:
            raise SyntaxError(f"cannot read {text[position:]!r}")
        tokens.append(float(match[1]) if match[1] else match[2])
        position = match.end()
    return tokens
