"""Secrets in text: found and taken out before anything is stored, committed or sent.

Covered: values that are known (also as base64, hex, URL-encoded, JSON-escaped or split over lines), the key formats of
the providers people use, private keys, bearer headers, passwords in environment lines, JSON, YAML, options and URLs.
Not covered: unknown passwords in prose, images, archives, encryption.
"""

import base64
import bisect
import functools
import json
import re
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from gitmimo.errors import CheckError
from gitmimo.secret_patterns import (
    CODE,
    HARMLESS_NAME,
    LIKELY_RULES,
    NAME_ONLY,
    PASSWORD_NAME,
    PEM_RULES,
    PLACEHOLDER,
    PROVIDER_RULES,
    SECRET_NAME,
    Rule,
)

_SHORTEST_KNOWN = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Where a secret is in a text; never what it is. `certain` is False for what only looks like a password."""

    rule: str
    start: int
    end: int
    certain: bool
    line: int = 0  # from 1


def redact(text: str, known: Mapping[str, str] | None = None) -> tuple[str, int]:
    """Replace every secret by `[redacted:rule]` and say how many there were.

    `known` maps names to secret values; values under six characters are ignored. CheckError when the scanner broke:
    the text must not be stored then.
    """
    spans = _find(text, known or {})
    pieces: list[str] = []
    position = 0
    for span in spans:
        pieces += [text[position : span.start], f"[redacted:{span.rule}]"]
        position = span.end
    return "".join([*pieces, text[position:]]), len(spans)


def find_secrets(data: bytes, known: Mapping[str, str] | None = None) -> tuple[Finding, ...]:
    """List the secrets in a file's content, in order, with their lines. CheckError when the scanner broke."""
    text = _decode(data)
    findings: list[Finding] = []
    line, position = 1, 0
    for found in _find(text, known or {}):
        line += text.count("\n", position, found.start)
        position = found.start
        findings.append(replace(found, line=line))
    return tuple(findings)


def secret_check(known: Mapping[str, str]) -> Callable[[bytes, Callable[[], bytes]], str]:
    """Make a check that says which secrets a file's new content holds; empty when there is none.

    Only what is certain, and what the content before didn't hold. CheckError when the scanner breaks.
    """

    def check(data: bytes, before: Callable[[], bytes]) -> str:
        found = [finding for finding in find_secrets(data, known) if finding.certain]
        if not found:
            return ""
        text, old = _decode(data), _decode(before())
        new = (finding for finding in found if text[finding.start : finding.end] not in old)
        return ", ".join(f"{finding.rule} in line {finding.line}" for finding in new)

    return check


def known_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """Choose from environment variables those whose name and value both say that they are secret.

    A word that anybody writes, such as `production`, is none, whatever the variable is called: it would be found all
    over a project. Only a password may be of letters alone, from 16 on.
    """
    return {
        name: value
        for name, value in environment.items()
        if SECRET_NAME.search(name) and not HARMLESS_NAME.search(name) and _is_secret_value(name, value)
    }


def _is_secret_value(name: str, value: str) -> bool:
    if len(value) < 8 or value.isdigit() or PLACEHOLDER.search(value) or value.startswith(("/", "./", "~")):
        return False
    return _looks_secret("env-password", value) or (len(value) >= 16 and bool(PASSWORD_NAME.search(name)))


# --- scanning --------------------------------------------------------------------------------------------------------


def _find(text: str, known: Mapping[str, str]) -> list[Finding]:
    """Every secret of a text, in order, none overlapping another."""
    try:
        return _merge(sorted(_scan(text, known), key=lambda span: (span.start, -span.end)))
    except Exception as exc:  # noqa: BLE001 - whatever breaks in the scan, nothing may be stored unscanned
        raise CheckError(f"the secret scan broke off, so nothing may be stored: {type(exc).__name__}") from exc


def _scan(text: str, known: Mapping[str, str]) -> Iterator[Finding]:
    joined = _Joined(text)
    for name, needles in _needles(tuple(sorted(known.items()))):
        for needle in needles:
            yield from _find_all(text, needle, name)
            yield from joined.map_back(_find_all(joined.text, needle.replace("\r", "").replace("\n", ""), name))
    for rule in (*PROVIDER_RULES, *PEM_RULES):
        yield from _apply(rule, text)
    if joined.differs:
        for rule in PROVIDER_RULES:
            yield from (span for span in joined.map_back(_apply(rule, joined.text)) if _adds(rule, text, span))
    for rule in LIKELY_RULES:
        yield from (span for span in _apply(rule, text) if _looks_secret(rule.name, text[span.start : span.end]))


def _apply(rule: Rule, text: str) -> Iterator[Finding]:
    if not any(mark in text for mark in rule.marks):
        return
    group = 1 if rule.pattern.groups else 0
    for match in rule.pattern.finditer(text):
        if rule.name == "private-key" or not PLACEHOLDER.search(match.group(group)):
            start, end = match.span(group)
            yield Finding(rule=rule.name, start=start, end=end, certain=rule.certain)


def _adds(rule: Rule, text: str, span: Finding) -> bool:
    """A token at a line's end is whole already where the rule matches without the next line."""
    found = rule.pattern.match(text, span.start)
    return (
        found is None
        and _BREAK.search(text, span.start, span.end) is not None
        and any(character.isdigit() for character in text[span.start : span.end])
    )


def _looks_secret(rule: str, value: str) -> bool:
    if rule == "url-password":
        return not CODE.match(value)
    has_letter, has_digit = any(c.isalpha() for c in value), any(c.isdigit() for c in value)
    if rule in ("bearer-token", "api-key-header", "basic-auth"):
        return has_letter and (has_digit or rule == "basic-auth")
    if CODE.match(value) or not has_letter:
        return False
    if rule in ("env-password", "option-password", "yaml-password") and NAME_ONLY.match(value):
        return has_digit and len(set(value)) >= 6 and not re.fullmatch(r"[A-Za-z_-]+\d{0,2}", value)
    return has_digit or any(c in "!@#$%^&*+=~?" for c in value)


def _find_all(text: str, needle: str, name: str) -> Iterator[Finding]:
    position = text.find(needle) if len(needle) >= _SHORTEST_KNOWN else -1
    while position >= 0:
        yield Finding(rule=name, start=position, end=position + len(needle), certain=True)
        position = text.find(needle, position + len(needle))


@functools.lru_cache(maxsize=4)  # the same ones are looked for at every step
def _needles(known: tuple[tuple[str, str], ...]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple(
        (re.sub(r"[^A-Za-z0-9_-]", "-", name)[:60], tuple(dict.fromkeys(_forms(value.strip()))))
        for name, value in known
        if len(value.strip()) >= _SHORTEST_KNOWN
    )


def _forms(value: str) -> Iterator[str]:
    yield value
    yield json.dumps(value)[1:-1]
    quoted = urllib.parse.quote(value, safe="")
    yield from (quoted, urllib.parse.quote(value), urllib.parse.quote_plus(value))
    yield re.sub(r"%[0-9A-F]{2}", lambda match: match.group().lower(), quoted)
    raw = value.encode(errors="surrogateescape")
    yield from (raw.hex(), raw.hex().upper())
    for shift in range(3):  # the value may start anywhere in what was encoded
        encoded = base64.b64encode(bytes(shift) + raw).decode().rstrip("=")
        core = encoded[(0, 2, 3)[shift] : len(encoded) - ((shift + len(raw)) % 3 != 0)]
        if len(core) >= 8:
            yield from (core, core.replace("+", "-").replace("/", "_"))


class _Joined:
    """The text with its line breaks taken out, also those of wrapped strings; knows the way back to the original."""

    def __init__(self, text: str) -> None:
        pieces: list[str] = []
        self._starts: list[int] = [0]  # in the joined text
        self._shifts: list[int] = [0]
        position = length = 0
        for match in _BREAK.finditer(text):
            left = _LEFT.search(text, max(position, match.start() - 12), match.start())
            start = left.start() if left else match.start()
            right = _RIGHT.match(text, match.end(), min(len(text), match.end() + 200))
            end = right.end() if right else match.end()
            if start < position:
                continue
            pieces.append(text[position:start])
            length += start - position
            position = end
            self._starts.append(length)
            self._shifts.append(end - length)
        self.differs = bool(pieces)
        self.text = "".join([*pieces, text[position:]]) if pieces else ""

    def map_back(self, spans: Iterator[Finding]) -> Iterator[Finding]:
        """Spans of the joined text as spans of the original."""
        for span in spans:
            first = bisect.bisect_right(self._starts, span.start) - 1
            last = bisect.bisect_right(self._starts, span.end - 1) - 1
            yield replace(span, start=span.start + self._shifts[first], end=span.end + self._shifts[last])


_BREAK = re.compile(r"(?:\r?\n|(?:\\+r)?\\+n)+")
_LEFT = re.compile(r"(?:\\?[\"'][ \t]*\+?[ \t]*|[ \t]+)?\\{0,2}\Z")
_RIGHT = re.compile(r"[ \t]*(?:\+?[ \t]*\\?[\"'])?")


def _merge(spans: list[Finding]) -> list[Finding]:
    merged: list[Finding] = []
    for span in spans:
        if merged and span.start < merged[-1].end:
            last = merged[-1]
            named = last if last.certain or not span.certain else span
            merged[-1] = Finding(
                rule=named.rule, start=last.start, end=max(last.end, span.end), certain=last.certain or span.certain
            )
        else:
            merged.append(span)
    return merged


def _decode(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")
