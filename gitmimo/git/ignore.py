"""Ignore rules taken from a tree instead of from files that an agent may have written."""

import re
from collections.abc import Mapping

_GLOB_CHARACTERS = re.compile(rb"([\\*?\[])")


def flat_rules(*, user: bytes, by_path: Mapping[str, bytes]) -> bytes:
    """Merge the user's rules and those of several `.gitignore` files into one list that holds for the whole tree.

    `by_path` maps each file's path, such as `docs/.gitignore`, to its content. Deeper files come later, since git lets
    the last matching rule decide.
    """
    lines = [user if user.endswith(b"\n") or not user else user + b"\n"]
    for path in sorted(by_path, key=lambda path: (path.count("/"), path)):
        directory = path.rpartition("/")[0].encode(errors="surrogateescape")
        lines += [rule + b"\n" for line in by_path[path].splitlines() if (rule := _anchored(line, directory))]
    return b"".join(lines)


def _anchored(line: bytes, directory: bytes) -> bytes:
    """Rewrite one rule of a directory's file as a rule of the top level; empty for blank lines and comments."""
    rule = line.rstrip(b"\r")
    if not rule.strip() or rule.startswith(b"#"):
        return b""
    if not directory:
        return rule
    negation = b"!" if rule.startswith(b"!") else b""
    rule = rule.removeprefix(b"!")
    prefix = b"/" + _GLOB_CHARACTERS.sub(rb"\\\1", directory) + b"/"
    kept = _without_trailing_blanks(rule)
    if b"/" in kept.rstrip(b"/"):  # anchored to its own directory
        return negation + prefix + rule.lstrip(b"/")
    return negation + prefix + b"**/" + rule


def _without_trailing_blanks(rule: bytes) -> bytes:
    stripped = rule.rstrip(b" ")
    return stripped + b" " if stripped.endswith(b"\\") else stripped
