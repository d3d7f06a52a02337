"""Ignore rules taken from a tree instead of from files that an agent may have written."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_GLOB_CHARACTERS = re.compile(rb"([\\*?\[])")
_SPECIAL = re.compile(rb"[*?\[\\]")
_MOST_STARS = 8  # past that a hostile pattern could keep the matcher busy for hours
_CLASSES = {
    b"alnum": b"0-9A-Za-z",
    b"alpha": b"A-Za-z",
    b"blank": rb" \t",
    b"cntrl": rb"\x00-\x1f\x7f",
    b"digit": b"0-9",
    b"graph": rb"\x21-\x7e",
    b"lower": b"a-z",
    b"print": rb"\x20-\x7e",
    b"punct": rb"\x21-\x2f\x3a-\x40\x5b-\x60\x7b-\x7e",
    b"space": rb" \t\n\r\f\v",
    b"upper": b"A-Z",
    b"xdigit": b"0-9A-Fa-f",
}


class TooManyStars(Exception):
    """A pattern is left to git, which takes as long as it takes."""


@dataclass(frozen=True, slots=True)
class _Rule:
    pattern: re.Pattern[bytes]
    is_negated: bool
    is_for_directories: bool
    is_for_names: bool  # has no slash: matches in any directory


class IgnoreRules:
    """Rules in the form of one top-level `.gitignore`, asked about one path at a time.

    Who asks must have asked about the parent directories before: what lies below an ignored one is ignored.
    """

    def __init__(self, text: bytes) -> None:
        self._rules = tuple(reversed(list(_parse(text))))
        self._answers: dict[tuple[str, bool], bool] = {}

    def is_ignored(self, path: str, *, is_directory: bool) -> bool:
        """Say whether the last rule that matches the path ignores it."""
        key = (path, is_directory)
        known = self._answers.get(key)
        if known is None:
            known = self._answers[key] = self._ask(os.fsencode(path), is_directory)
        return known

    def _ask(self, path: bytes, is_directory: bool) -> bool:
        name = path.rpartition(b"/")[2]
        for rule in self._rules:
            if rule.is_for_directories and not is_directory:
                continue
            if rule.pattern.fullmatch(name if rule.is_for_names else path):
                return not rule.is_negated
        return False


def flat_rules(*, user: bytes, by_path: Mapping[str, bytes]) -> bytes:
    """Merge the user's rules and those of several `.gitignore` files into one list that holds for the whole tree.

    `by_path` maps each file's path, such as `docs/.gitignore`, to its content. Deeper files come later, since git lets
    the last matching rule decide.
    """
    lines = [user if user.endswith(b"\n") or not user else user + b"\n"]
    for path in sorted(by_path, key=lambda path: (path.count("/"), path)):
        directory = os.fsencode(path.rpartition("/")[0])
        text = by_path[path].removeprefix(b"\xef\xbb\xbf")
        lines += [rule + b"\n" for line in text.split(b"\n") if (rule := _anchored(line, directory))]
    return b"".join(lines)


def _anchored(line: bytes, directory: bytes) -> bytes:
    """Rewrite one rule of a directory's file as a rule of the top level; empty for blank lines and comments."""
    rule = _without_end(line)
    if not rule or rule.startswith(b"#"):
        return b""
    end = b"\r" if rule.endswith(b"\r") else b""  # one that is part of the rule; the next reader drops one again
    if not directory:
        return rule + end
    negation = b"!" if rule.startswith(b"!") else b""
    rule = rule.removeprefix(b"!")
    if not rule.removesuffix(b"/"):
        return b""
    prefix = b"/" + _GLOB_CHARACTERS.sub(rb"\\\1", directory) + b"/"
    if b"/" in rule.removesuffix(b"/"):  # anchored to its own directory
        return negation + prefix + rule.removeprefix(b"/") + end
    return negation + prefix + b"**/" + rule + end


def _without_end(line: bytes) -> bytes:
    """Drop a carriage return and the blanks that no backslash keeps."""
    rule = line.removesuffix(b"\r")
    stripped = rule.rstrip(b" ")
    kept = len(stripped) - len(stripped.rstrip(b"\\"))
    return stripped + b" " if kept % 2 and len(stripped) < len(rule) else stripped


def _parse(text: bytes) -> Iterator[_Rule]:
    for line in text.split(b"\n"):
        rule = _without_end(line)
        if not rule or rule.startswith(b"#"):
            continue
        is_negated = rule.startswith(b"!")
        rule = rule.removeprefix(b"!")
        is_for_directories = rule.endswith(b"/")
        rule = rule.removesuffix(b"/")
        is_for_names = b"/" not in rule
        expression = _translate(rule.removeprefix(b"/"), crosses=is_for_names)
        if rule and expression is not None:
            yield _Rule(re.compile(expression, re.DOTALL), is_negated, is_for_directories, is_for_names)


def _translate(glob: bytes, *, crosses: bool) -> bytes | None:
    """Return the glob as a regular expression; None where git would never find a match."""
    if len(re.findall(rb"\*+", glob)) > _MOST_STARS:
        raise TooManyStars
    out = b""
    at = 0
    while at < len(glob):
        letter = glob[at : at + 1]
        if letter == b"*":
            end = at + len(glob[at:]) - len(glob[at:].lstrip(b"*"))
            # git compares what comes before the first special letter by itself, and matches the rest anew
            begins = glob[at - 1 : at] in (b"", b"/") or not _SPECIAL.search(glob, 0, at)
            is_double = end - at > 1 and begins and glob[end : end + 1] in (b"", b"/")
            if not is_double or crosses:
                out += b"[^/]*"
            elif end == len(glob):
                out += b".*"
            else:
                out += b"(?:.*/)?"
                end += 1
            at = end
        elif letter == b"?":
            out, at = out + b"[^/]", at + 1
        elif letter == b"[":
            found = _translate_class(glob, at + 1)
            if found is None:
                return None
            out, at = out + found[0], found[1]
        elif letter == b"\\":
            if at + 1 == len(glob):
                return None
            out, at = out + re.escape(glob[at + 1 : at + 2]), at + 2
        else:
            out, at = out + re.escape(letter), at + 1
    return out


def _translate_class(glob: bytes, at: int) -> tuple[bytes, int] | None:
    """Return a bracket's expression and where it ends; None when it doesn't end, or names no known class."""
    is_negated = glob[at : at + 1] in (b"!", b"^")
    start = at = at + is_negated
    members = b""
    previous: int | None = None  # what a following dash would begin a range with
    while at < len(glob) and (glob[at : at + 1] != b"]" or at == start):
        if glob[at : at + 2] == b"[:":
            end = glob.find(b"]", at + 2)
            if end < 0:
                return None
            if end > at + 2 and glob[end - 1 : end] == b":":
                named = _CLASSES.get(glob[at + 2 : end - 1])
                if named is None:
                    return None
                members, at, previous = members + named, end + 1, None
                continue
        is_range = glob[at : at + 1] == b"-" and previous is not None and glob[at + 1 : at + 2] not in (b"", b"]")
        at += is_range
        at += glob[at : at + 1] == b"\\"
        if at >= len(glob):
            return None
        last, first = glob[at], previous if is_range and previous is not None else glob[at]
        if first <= last:
            members += b"\\x%02x-\\x%02x" % (first, last)
        at, previous = at + 1, None if is_range else last
    if at >= len(glob):
        return None
    if is_negated:
        return (b"(?!/)[^%s]" % members if members else b"[^/]"), at + 1
    return (b"(?!/)[%s]" % members if members else b"(?!)"), at + 1
