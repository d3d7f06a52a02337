"""A commit's rules for the files of its checkout: which are ignored, and which filters apply.

Ignore rules come from the commit instead of from the files in the checkout, which an agent may have written.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from gitmimo.git.repository import GITLINK, LINK, Repository
from gitmimo.git.user_rules import filters_named
from gitmimo.ids import Oid

_GLOB_CHARACTERS = re.compile(rb"([\\*?\[])")

# What tools leave behind when they run; a project's own rules come later and can take any of it back
DEBRIS = b"""\
__pycache__/
*.py[co]
.pytest_cache/
.mypy_cache/
.ruff_cache/
.hypothesis/
.coverage
.coverage.*
.tox/
.nox/
*.egg-info/
node_modules/
.DS_Store
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeRules:
    """The rules of one tree, merged with the user's own."""

    ignore: bytes  # for the whole tree, in gitignore's form
    filters: frozenset[str]
    gitlinks: frozenset[str]


def read_tree_rules(repository: Repository, rev: Oid) -> TreeRules:
    """Read the rules of a commit or tree."""
    user = repository.user_rules
    ignores: dict[str, bytes] = {}
    attributes = [user.attributes]
    gitlinks = set()
    for entry in repository.list_paths(rev):
        name = entry.path.rpartition("/")[2]
        if entry.mode == GITLINK:
            gitlinks.add(entry.path)
        elif entry.mode == LINK:  # git reads no rules through links
            continue
        elif name == ".gitignore":
            ignores[entry.path] = repository.read_object(entry.oid)
        elif name == ".gitattributes":
            attributes.append(repository.read_object(entry.oid))
    return TreeRules(
        ignore=flat_rules(user=DEBRIS + user.ignore, by_path=ignores),
        filters=frozenset().union(*map(filters_named, attributes)),
        gitlinks=frozenset(gitlinks),
    )


def flat_rules(*, user: bytes, by_path: Mapping[str, bytes]) -> bytes:
    """Merge the user's rules and those of several `.gitignore` files into one list that applies to the whole tree.

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
    end = b"\r" if rule.endswith(b"\r") else b""  # one that is part of the rule; git drops one when it reads the list
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
    backslashes = len(stripped) - len(stripped.rstrip(b"\\"))
    return stripped + b" " if backslashes % 2 and len(stripped) < len(rule) else stripped
