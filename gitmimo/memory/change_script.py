"""A parameterised change as a plain shell script: lines set, lines inserted, a name replaced everywhere.

Made from two or more changes of one kind whose tasks differ in values only. A script is a proposal until it was run and
reproduced each of these changes.
"""

import difflib
import itertools
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os.path import commonprefix

from gitmimo.errors import RepoError
from gitmimo.git.repository import Repository
from gitmimo.memory.changes import Change
from gitmimo.memory.templates import Template, put_names, script_head

_LEAST_KNOWN = 3  # characters of a line that say which one is meant
_MOST_BYTES = 200_000
_SET = """\
set_line() { # FILE BEGIN END TEXT: the first line that begins and ends so becomes this
  B="$2" E="$3" T="$4" perl -i -ne 's/.*/$ENV{T}/ if !$n && /^\\Q$ENV{B}\\E.*\\Q$ENV{E}\\E$/ && ++$n;
    print; END { exit($n ? 0 : 3) }' "$1"
}
"""
_INSERT = """\
insert_after() { # FILE LINE TEXT: below the first line that is this
  L="$2" T="$3" perl -i -ne 'print; print "$ENV{T}\\n" if $_ eq "$ENV{L}\\n" && !$n++; END { exit($n ? 0 : 3) }' "$1"
}
"""
_RENAME = """\
grep -rlwIF --null --exclude-dir=.git -e "${%(old)s}" . |
  O="${%(old)s}" N="${%(new)s}" xargs -0 perl -pi -e 's/(?<!\\w)\\Q$ENV{O}\\E(?!\\w)/$ENV{N}/g'
! grep -rqwIF --exclude-dir=.git -e "${%(old)s}" .
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hunk:
    """Lines replaced or inserted, and the line before them."""

    before: str
    old: tuple[str, ...]
    new: tuple[str, ...]


def write_change_script(repository: Repository, changes: Sequence[Change], template: Template) -> str | None:
    """Return a script that may do what these changes did for the tasks of a template; None when no rule explains it."""
    if any(status != "M" for change in changes for status, _ in change.files):
        return None
    body = _rename(repository, changes, template) or _edits(repository, changes, template)
    return script_head(template.text, template.examples[0]) + body if body else None


def _rename(repository: Repository, changes: Sequence[Change], template: Template) -> str | None:
    """Lines that replace one value by another everywhere, where that is all that each of the changes did."""
    for old, new in itertools.permutations(template.examples[0], 2):
        pairs = [(values[old], values[new]) for values in template.examples]
        if all(_is_rename(repository, change, *pair) for change, pair in zip(changes, pairs, strict=True)):
            return _RENAME % {"old": old, "new": new}
    return None


def _is_rename(repository: Repository, change: Change, old: str, new: str) -> bool:
    word = re.compile(rf"(?<!\w){re.escape(old)}(?!\w)")
    texts = [_texts(repository, change, path) for path in change.paths]
    return all(before and word.sub(new, before) == after for before, after in texts)


def _edits(repository: Repository, changes: Sequence[Change], template: Template) -> str | None:
    """Lines that make each change of the same files, hunk by hunk."""
    lines: list[str] = []
    if len({frozenset(change.paths) for change in changes}) != 1:
        return None
    for path in sorted(changes[0].paths):
        by_change = [_hunks(*_texts(repository, change, path)) for change in changes]
        if len({len(hunks) for hunks in by_change}) != 1 or not by_change[0]:
            return None
        for column in zip(*by_change, strict=True):
            rule = _rule(path, column, template.examples)
            if rule is None:
                return None
            lines.append(rule)
    body = "\n".join(lines)
    helpers = [text for name, text in (("set_line", _SET), ("insert_after", _INSERT)) if name in body]
    return "".join(helpers) + f"{body}\n"


def _rule(path: str, hunks: Sequence[_Hunk], examples: Sequence[Mapping[str, str]]) -> str | None:
    """One line of the script that does each of these hunks with its values."""
    news = {
        tuple(put_names(line, values, form="\0%s\0") for line in hunk.new)
        for hunk, values in zip(hunks, examples, strict=True)
    }
    if len(news) != 1:
        return None
    new = news.pop()
    if all(not hunk.old for hunk in hunks):
        anchors = {hunk.before for hunk in hunks}
        anchor = anchors.pop()
        return (
            None if anchors or not anchor.strip() else f"insert_after {shlex.quote(path)} {_word(anchor)} {_word(*new)}"
        )
    if any(len(hunk.old) != 1 for hunk in hunks) or len(new) != 1:
        return None
    old = [hunk.old[0] for hunk in hunks]
    start = commonprefix(old)
    end = commonprefix([line[len(start) :][::-1] for line in old])[::-1]
    if len((start + end).strip()) < _LEAST_KNOWN:
        return None
    start, end = _without_digits(start, end)
    return f"set_line {shlex.quote(path)} {_word(start)} {_word(end)} {_word(*new)}"


def _without_digits(start: str, end: str) -> tuple[str, str]:
    """Strip the part that two values happen to share: `1.` of 1.4.0 and 1.5.0."""
    return re.sub(r"[\w.-]*\Z", "", start) if re.search(r"\d[\w.-]*\Z", start) else start, re.sub(r"\A[\w.-]*", "", end)


def _hunks(before: str, after: str) -> list[_Hunk]:
    old, new = before.splitlines(), after.splitlines()
    found = []
    for tag, i, j, m, n in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "replace" and j - i == n - m:  # line by line
            found += [_Hunk(before="", old=(old[i + k],), new=(new[m + k],)) for k in range(j - i)]
        elif tag == "insert":
            while i > 0 and not old[i - 1].strip() and old[i - 1] == new[n - 1]:  # up to a line that says something
                i, m, n = i - 1, m - 1, n - 1
            found.append(_Hunk(before=old[i - 1] if i else "", old=(), new=tuple(new[m:n])))
        elif tag != "equal":
            found.append(_Hunk(before="", old=tuple(old[i:j]), new=tuple(new[m:n])))
    return found


def _word(*lines: str) -> str:
    """Lines as one shell word in which names between NULs are variables."""
    text = "\n".join(lines)
    for character in '\\"$`':
        text = text.replace(character, f"\\{character}")
    return '"' + re.sub("\0([A-Z0-9_]+)\0", r"${\1}", text) + '"'


def _texts(repository: Repository, change: Change, path: str) -> tuple[str, str]:
    """A file's text before and after a change; empty texts where it is none, or too large."""
    try:
        both = [repository.read_blob(rev, path) or b"" for rev in (f"{change.commit}^", change.commit)]
    except RepoError:
        return "", ""
    if any(len(data) > _MOST_BYTES or b"\0" in data for data in both):
        return "", ""
    before, after = (data.decode("utf-8", "surrogateescape") for data in both)
    return before, after
