"""Which files of a directory are ignored, and which content filters run: by the user's rules and those of a commit.

A filter is a program that git starts on a file's content. A repository's own configuration may define one, and an
agent's `.gitattributes` may switch one on. Both are kept from running: definitions below user level are overridden, and
filters that the trusted attributes don't name are emptied. Not covered: attributes in the user's own global file.

Ignore rules come from the commit instead of from the files in the checkout, which an agent may have written.
"""

import functools
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gitmimo.git.repository import GITLINK, LINK, Repository
from gitmimo.ids import Oid

_PARTS = {"clean": "", "smudge": "", "process": "", "required": "false"}  # of a filter, with what turns each off
_KEYS = r"^(filter\.|core\.(excludesfile|attributesfile)$)"
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
class UserRules:
    """The user's own rules, as they were when first read.

    `ignore` has the rules of core.excludesFile and then of info/exclude, `attributes` the same for attributes.
    `filters` maps each filter to its parts at user level, `redefined` names those that the repository's own
    configuration defines.
    """

    ignore: bytes
    attributes: bytes
    filters: Mapping[str, Mapping[str, str]]
    redefined: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeRules:
    """The rules of one tree, merged with the user's own."""

    ignore: bytes  # for the whole tree, in gitignore's form
    filter_switches: tuple[str, ...]  # git's, under which only user-level filters run that the attributes name
    gitlinks: frozenset[str]


@functools.lru_cache(maxsize=4)
def read_user_rules(repository: Repository) -> UserRules:
    """Read the user's rules once: later edits of the configuration and of the files that it names are ignored."""
    listed = repository.run("config", "-z", "--show-scope", "--get-regexp", _KEYS, check=False).text.split("\0")
    filters: dict[str, dict[str, str]] = {}
    redefined = set()
    files = {"core.excludesfile": _default_file("ignore"), "core.attributesfile": _default_file("attributes")}
    for scope, pair in zip(listed[0::2], listed[1::2], strict=False):
        key, _, value = pair.partition("\n")
        if key in files:
            files[key] = Path(value).expanduser()
            continue
        name, _, part = key.partition(".")[2].rpartition(".")
        if scope in ("system", "global"):
            filters.setdefault(name, {})[part] = value
        else:
            redefined.add(name)
    info = repository.common_dir / "info"
    return UserRules(
        ignore=_read(files["core.excludesfile"]) + b"\n" + _read(info / "exclude"),
        attributes=_read(files["core.attributesfile"]) + b"\n" + _read(info / "attributes"),
        filters=filters,
        redefined=frozenset(redefined),
    )


@functools.lru_cache(maxsize=4)
def read_tree_rules(repository: Repository, tree: Oid) -> TreeRules:
    """Read the rules of a commit or tree."""
    user = read_user_rules(repository)
    ignores: dict[str, bytes] = {}
    attributes = [user.attributes]
    gitlinks = set()
    for entry in repository.list_paths(tree):
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
        filter_switches=_filter_switches(user, used=frozenset().union(*map(_filters_named, attributes))),
        gitlinks=frozenset(gitlinks),
    )


def _filter_switches(user: UserRules, *, used: frozenset[str]) -> tuple[str, ...]:
    overridden = user.redefined | (user.filters.keys() - used)
    settings = (
        f"filter.{name}.{part}={user.filters.get(name, {}).get(part, off) if name in used else off}"
        for name in sorted(overridden)
        for part, off in _PARTS.items()
    )
    return tuple(word for setting in settings for word in ("-c", setting))


def _filters_named(attributes: bytes) -> frozenset[str]:
    """The names that `filter=` has in the text of a `.gitattributes` file."""
    return frozenset(
        os.fsdecode(word.removeprefix(b"filter="))
        for line in attributes.splitlines()
        if not line.lstrip().startswith(b"#")
        for word in line.split()
        if word.startswith(b"filter=")
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


def _default_file(name: str) -> Path:
    home = os.environ.get("XDG_CONFIG_HOME")
    return (Path(home) if home else Path.home() / ".config") / "git" / name


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # absent, a directory, unreadable: git passes over these too
        return b""
