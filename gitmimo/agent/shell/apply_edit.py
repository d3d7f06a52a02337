"""Carries out READ, EDIT and WRITE in a worktree, keeping each file's encoding, line ends, last line end and mode.

A passage is replaced where it stands exactly, else as whole lines without regard to white space.
"""

import ast
import difflib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gitmimo.errors import MimoError
from gitmimo.records import Action, ActionKind, Observation
from gitmimo.sandbox.files import check_inside, read_inside, write_inside
from gitmimo.text import as_data, cut_middle, escape_controls

_AROUND = 3  # lines shown before and after an edit
_MOST_SHOWN = 4_000  # characters of an edit
_LEAST_ALIKE = 0.3  # a nearest block is shown from here on
_MOST_LINES = 5_000  # past this none is looked for
_SHOWN_LINES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """A text with the passage replaced. Lines count from 1; `how` is empty for an exact match."""

    text: str
    first_line: int
    last_line: int  # of what replaces the passage; before `first_line` when that is nothing
    how: str = ""
    places: int = 1


class EditFailed(MimoError):
    """Why nothing was written, with the nearest match. Contains no block that could be taken for an answer."""


def replace_passage(text: str, old: str, new: str, *, every: bool = False) -> Edited:
    """Replace the one passage that `old` means by `new`; the rest of the text keeps every character.

    The line ends of the text are taken over into what is new. EditFailed for a passage that does not occur, and for one
    that occurs more than once, whatever the way in which it was found, unless `every` asks for all exact occurrences.
    """
    if not old.strip():
        raise EditFailed("the passage to replace is empty, and the file is not; name the passage, or write the file")
    has_crlf = 0 < text.count("\n") == text.count("\r\n")
    if has_crlf or old not in text:
        old, new = old.replace("\r\n", "\n"), new.replace("\r\n", "\n")
    if not has_crlf:
        return _replace(text, old, new, every=every)
    edited = _replace(text.replace("\r\n", "\n"), old, new, every=every)
    return replace(edited, text=edited.text.replace("\n", "\r\n"))


def numbered(lines: Sequence[str], first: int) -> str:
    """Lines with their numbers, as they are shown to a model."""
    return "\n".join(f"{number:>5}| {line}" for number, line in enumerate(lines, first))


def _replace(text: str, old: str, new: str, *, every: bool) -> Edited:
    places = [found.start() for found in re.finditer(f"(?={re.escape(old)})", text)]  # overlapping ones too
    if not places:
        return _replace_lines(text, old, new)
    if every:
        first = _spliced(text, places[0], places[0] + len(old), new)
        return replace(first, text=text.replace(old, new), places=text.count(old))
    _refuse_several([text.count("\n", 0, place) + 1 for place in places])
    return _spliced(text, places[0], places[0] + len(old), new)


def _spliced(text: str, begin: int, end: int, replacement: str) -> Edited:
    first = text.count("\n", 0, begin) + 1
    whole_lines = text[begin - 1 : begin] in ("", "\n") and (text[begin:end].endswith("\n") or end == len(text))
    last = first + replacement.removesuffix("\n").count("\n") - (not replacement and whole_lines)
    return Edited(text=text[:begin] + replacement + text[end:], first_line=first, last_line=last)


def _replace_lines(text: str, old: str, new: str) -> Edited:
    """Replace whole lines that are those wanted, white space aside."""
    lines, wanted = text.split("\n"), _without_blank_ends(old)
    squeezed, pattern = ([re.sub(r"\s+", "", line) for line in each] for each in (lines, wanted))
    size = len(wanted)
    found = [at for at in range(len(lines) - size + 1) if squeezed[at : at + size] == pattern]
    if not found:
        raise EditFailed(f"the passage does not occur in the file{_nearest(lines, wanted)}")
    _refuse_several([at + 1 for at in found])
    at = found[0]
    replacement = _reindented(_without_blank_ends(new), wanted, lines[at : at + size])
    lines[at : at + size] = replacement
    how = "without regard to white space"
    return Edited(text="\n".join(lines), first_line=at + 1, last_line=at + len(replacement), how=how)


def _without_blank_ends(text: str) -> list[str]:
    return re.sub(r"\A(?:[^\S\n]*\n)+|(?:\n[^\S\n]*)+\Z", "", text).split("\n") if text.strip() else []


def _nearest(lines: Sequence[str], wanted: Sequence[str]) -> str:
    """The block of the file that is most alike, with its line numbers; empty for none."""
    if len(lines) > _MOST_LINES:
        return ""
    goal = "\n".join(line.strip() for line in wanted)
    matcher = difflib.SequenceMatcher(None, "", goal, autojunk=False)
    best, begin = _LEAST_ALIKE, None
    for at in range(max(1, len(lines) - len(wanted) + 1)):
        matcher.set_seq1("\n".join(line.strip() for line in lines[at : at + len(wanted)]))
        if matcher.real_quick_ratio() > best and matcher.quick_ratio() > best and (alike := matcher.ratio()) > best:
            best, begin = alike, at
    if begin is None:
        return ""
    shown = lines[begin : begin + min(len(wanted), _SHOWN_LINES)]
    return f". Nearest, {best:.0%} alike:\n{numbered(shown, begin + 1)}"


def _reindented(new: Sequence[str], old: Sequence[str], actual: Sequence[str]) -> list[str]:
    """Shift the new lines by what the passage as given and the passage as found differ in indentation."""
    shifts: dict[str, str] = {}
    for given, found in zip(old, actual, strict=False):
        if given.strip():
            shifts.setdefault(_indent(given), _indent(found))
    if all(given == found for given, found in shifts.items()):
        return list(new)
    least = min(shifts, key=len)
    shifted = []
    for line in new:
        indent = _indent(line)
        known = max((given for given in shifts if indent.startswith(given)), key=len, default=None)
        if known is None:  # less indented than anything in the passage
            start = shifts[least][: max(0, len(shifts[least]) - len(least) + len(indent))]
        else:
            start = shifts[known] + indent[len(known) :]
        shifted.append(start + line[len(indent) :] if line.strip() else "")
    return shifted


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def _refuse_several(at_lines: Sequence[int]) -> None:
    if len(at_lines) > 1:
        shown = ", ".join(str(line) for line in at_lines[:8]) + (", …" if len(at_lines) > 8 else "")
        raise EditFailed(
            f"the passage occurs {len(at_lines)} times, at lines {shown}: add lines around it to say which"
        )


def apply_change(root: Path, action: Action) -> Observation:
    """Write what an EDIT or WRITE asks for. A change that can't be made is a result that says why, and writes nothing.

    `.git`, `.mimo` and everything outside the worktree are refused, also through symbolic links.
    """
    path = _relative(root, action.path)
    try:
        if any(part.lower().rstrip(". ") == ".mimo" for part in check_inside(path)):
            raise EditFailed("`.mimo` belongs to git-mimo")
        before = read_inside(root, path)
        data, report = _new_content(action, path, before)
        if data == before:
            return Observation(text=f"`{path}` is like that already, byte for byte", exit_code=0)
        write_inside(root, path, data)
    except MimoError as exc:
        return Observation(text=f"not written: {exc.message}", exit_code=1)
    return Observation(text=report + _syntax_remark(path, before or b"", data), exit_code=0, changed=True)


def read_lines(root: Path, action: Action, *, most: int) -> Observation:
    """A file's lines with their numbers, as READ asks for them.

    At most `most` characters: what is longer ends at a whole line, and the first line left out is named.
    """
    path = _relative(root, action.path)
    if (root / path).is_dir() and not (root / path).is_symlink():
        names = sorted(f"{item.name}/" if item.is_dir() else item.name for item in (root / path).iterdir())
        return Observation(text=f"`{path}` is a directory\n{as_data(chr(10).join(names)[:most])}", exit_code=0)
    try:
        data = read_inside(root, path)
    except MimoError as exc:
        return Observation(text=f"not read: {exc.message}", exit_code=1)
    if data is None:
        return Observation(text=f"not read: there is no file `{path}`", exit_code=1)
    text, _ = _decoded(data)
    if "\0" in text:
        return Observation(text=f"not read: `{path}` is a binary file of {len(data)} bytes", exit_code=1)
    lines = text.replace("\r\n", "\n").removesuffix("\n").split("\n")
    first = min(max(1, action.first), len(lines))
    last = min(action.last or len(lines), len(lines))
    shown, size = first - 1, 0
    while shown < last and size + len(lines[shown]) + 7 <= most:
        size += len(lines[shown]) + 7
        shown += 1
    if shown < first:  # one line alone is too long
        line = lines[first - 1]
        cut = f"`{path}`: line {first} has {len(line)} characters\n{as_data(escape_controls(line[:most]))}"
        return Observation(text=cut, exit_code=0)
    span = f"lines {first} to {shown} of {len(lines)}" if shown - first + 1 < len(lines) else f"{shown} lines"
    rest = f"; read on with first={shown + 1}" if shown < last else ""
    content = as_data(escape_controls(numbered(lines[first - 1 : shown], first)))
    return Observation(text=f"`{path}`: {span}{rest}\n{content}", exit_code=0)


def _relative(root: Path, path: str) -> str:
    """A path as the worktree knows it: models often give the absolute one."""
    prefix = f"{root}/"
    return path[len(prefix) :] if path.startswith(prefix) else path


def _new_content(action: Action, path: str, before: bytes | None) -> tuple[bytes, str]:
    """A file's new bytes, and what the model is told about them."""
    is_edit = action.kind is ActionKind.EDIT
    if is_edit and before is None and action.old.strip():
        raise EditFailed(f"there is no file `{path}`")
    text, encoding = _decoded(before or b"")
    if "\0" in text:
        if is_edit:
            raise EditFailed(f"`{path}` is a binary file")
        text, encoding, before = "", "utf-8", b""
    if is_edit and text.strip():
        try:
            edited = replace_passage(text, action.old, action.text, every=action.replace_all)
        except EditFailed as exc:
            raise EditFailed(f"`{path}`: {exc.message}") from None
        new, report = edited.text, _show_edit(path, edited)
    else:
        new = _like_before(action, text)
        report = f"{'wrote' if before is not None else 'created'} `{path}`: {new.count(chr(10))} lines"
    try:
        return new.encode(encoding), report
    except UnicodeEncodeError as exc:
        char = new[exc.start]
        raise EditFailed(f"`{path}` is in {encoding}, which has no character U+{ord(char):04X}") from None


def _show_edit(path: str, edited: Edited) -> str:
    """The changed lines with their numbers and three lines around them."""
    lines = edited.text.replace("\r\n", "\n").removesuffix("\n").split("\n")
    begin, end = max(1, edited.first_line - _AROUND), min(len(lines), edited.last_line + _AROUND)
    text = cut_middle(numbered(lines[begin - 1 : end], begin), _MOST_SHOWN)
    how = f", matched {edited.how}" if edited.how else ""
    how += f" at {edited.places} places; the first:" if edited.places > 1 else ""
    return f"edited `{path}`{how}\n{as_data(escape_controls(text))}"


def _decoded(data: bytes) -> tuple[str, str]:
    """A file's text and its encoding, with or without a byte order mark."""
    encoding = "utf-8-sig" if data.startswith(b"\xef\xbb\xbf") else "utf-8"
    try:
        return data.decode(encoding), encoding
    except UnicodeDecodeError:
        return data.decode("latin-1"), "latin-1"  # maps every byte to a character and back


def _like_before(action: Action, before: str) -> str:
    """A whole new text with the old one's line ends, and a last line end unless the old one had none."""
    newline = "\r\n" if before.count("\r\n") * 2 > before.count("\n") else "\n"
    text = action.text if newline == "\n" else action.text.replace("\r\n", "\n").replace("\n", "\r\n")
    has_final = not before or before.endswith("\n")
    if has_final and text and not text.endswith("\n"):
        return text + newline
    if not has_final and not action.call_id:  # a fenced block always ends its last line
        return text.removesuffix(newline)
    return text


def _syntax_remark(path: str, before: bytes, data: bytes) -> str:
    """A remark when a Python or JSON file that could be parsed no longer can."""
    problem = _syntax_error(path, data)
    is_new = problem and not (before and _syntax_error(path, before))
    return f"\nbut it can't be parsed any more: {problem}" if is_new else ""


def _syntax_error(path: str, data: bytes) -> str:
    try:
        if path.endswith(".py"):
            ast.parse(data)
        elif path.endswith(".json"):
            json.loads(data)
    except SyntaxError as exc:
        # a doubtful escape is an error only where warnings are made errors
        return "" if "escape sequence" in exc.msg else f"line {exc.lineno}: {exc.msg}"
    except ValueError as exc:
        return "" if path.endswith(".py") else str(exc)
    except (RecursionError, MemoryError, OverflowError):
        return ""
    return ""
