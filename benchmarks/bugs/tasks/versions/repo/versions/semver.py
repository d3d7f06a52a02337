"""Semantic versions: parsing, ordering, bumping."""

import functools
import re

PATTERN = re.compile(r"v?(\d+)\.(\d+)\.(\d+)(?:-([0-9A-Za-z.-]+))?(?:\+([0-9A-Za-z.-]+))?\Z")


@functools.total_ordering
class Version:
    """A version; build metadata is kept but plays no part in comparing."""

    def __init__(self, major, minor, patch, pre=(), build=""):
        self.major = major
        self.minor = minor
        self.patch = patch
        self.pre = tuple(pre)
        self.build = build

    @classmethod
    def parse(cls, text):
        match = PATTERN.match(text.strip())
        if not match:
            raise ValueError(f"not a version: {text!r}")
        major, minor, patch = (int(part) for part in match.groups()[:3])
        pre = match[4].split(".") if match[4] else ()
        return cls(major, minor, patch, pre, match[5] or "")

    def key(self):
        """What versions are compared by.

        A release is later than its own pre-releases. Pre-release parts compare one by one: numbers as numbers, words as
        text, a number before a word, and fewer parts before more.
        """
        return (self.major, self.minor, self.patch, self.pre)

    def __eq__(self, other):
        return self.key() == other.key()

    def __lt__(self, other):
        return self.key() < other.key()

    def __hash__(self):
        return hash(self.key())

    def __str__(self):
        text = f"{self.major}.{self.minor}.{self.patch}"
        if self.pre:
            text += "-" + ".".join(self.pre)
        return text + (f"+{self.build}" if self.build else "")


def latest(texts, allow_pre=False):
    """The latest of several versions as text, or None."""
    versions = [Version.parse(text) for text in texts]
    versions = [version for version in versions if allow_pre or not version.pre]
    return str(max(versions)) if versions else None
