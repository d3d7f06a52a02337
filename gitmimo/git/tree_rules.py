"""What a commit says about the files of its checkout: which are ignored, and which are converted on their way in."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from gitmimo.git.edit import MIMO_DIR, change_paths
from gitmimo.git.ignore import flat_rules
from gitmimo.git.objects import GITLINK, LINK, Entry
from gitmimo.git.repository import Repository
from gitmimo.git.user_rules import filters_named
from gitmimo.records import Oid

SOURCES = frozenset({".gitignore", ".gitattributes"})
_LINE_ENDS = re.compile(rb"(?:^|\s)(?:text|eol|crlf)(?:=|\s|$)")
_OTHER_CONVERSIONS = re.compile(rb"(?:^|\s)(?:ident(?:\s|$)|working-tree-encoding=)")

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
    converts_line_ends: bool
    converts_otherwise: bool


def product_key(repository: Repository, rev: Oid) -> str:
    """Name a tree by what its rules depend on: its product, and the ignore rules of its `.mimo/`."""
    tree = repository.tree_of(rev)
    rules = repository.find_entry(tree, f"{MIMO_DIR}/.gitignore")
    return f"{change_paths(repository, tree, {MIMO_DIR: None})} {rules.oid if rules else ''}"


def read_tree_rules(repository: Repository, rev: Oid, entries: Iterable[Entry] | None = None) -> TreeRules:
    """Read the rules of a commit or tree; `entries` spares listing it again."""
    user = repository.user_rules
    ignores: dict[str, bytes] = {}
    attributes = [user.attributes]
    gitlinks = set()
    for entry in repository.list_paths(rev) if entries is None else entries:
        name = entry.path.rpartition("/")[2]
        if entry.mode == GITLINK:
            gitlinks.add(entry.path)
        elif entry.mode == LINK or name not in SOURCES:  # git reads no rules through links
            continue
        elif name == ".gitignore":
            ignores[entry.path] = repository.read_object(entry.oid)
        else:
            attributes.append(repository.read_object(entry.oid))
    filters: frozenset[str] = frozenset().union(*map(filters_named, attributes))
    lines = [line for text in attributes for line in text.splitlines() if not line.lstrip().startswith(b"#")]
    return TreeRules(
        ignore=flat_rules(user=DEBRIS + user.ignore, by_path=ignores),
        filters=filters,
        gitlinks=frozenset(gitlinks),
        converts_line_ends=user.converts_line_ends or any(_LINE_ENDS.search(line) for line in lines),
        converts_otherwise=bool(filters & user.user_filters.keys()) or any(map(_OTHER_CONVERSIONS.search, lines)),
    )
