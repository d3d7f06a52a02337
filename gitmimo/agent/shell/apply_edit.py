"""Carries out READ, EDIT and WRITE in a worktree, keeping each file's encoding, line ends, last line end and mode."""

import ast
import json
import tomllib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from gitmimo.agent.shell.observations import as_data
from gitmimo.agent.shell.search_replace import Edited, Mismatch, numbered, replace_passage
from gitmimo.errors import MimoError
from gitmimo.records import Action, ActionKind
from gitmimo.sandbox.files import check_inside, read_inside, write_inside
from gitmimo.text import escape_controls

_AROUND = 3  # lines shown before and after an edit
_MOST_SHOWN = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class EditResult:
    """The result of one EDIT or WRITE. `path` is empty when nothing was written, also if the file was already right."""

    text: str
    path: str = ""
    is_right: bool = False

    @property
    def done(self) -> bool:
        """Whether the file is now as it was asked for."""
        return bool(self.path) or self.is_right


def apply_change(root: Path, action: Action) -> EditResult:
    """Write what an EDIT or WRITE asks for. A change that can't be made is a result that says why, and writes nothing.

    `.git`, `.mimo` and everything outside the worktree are refused, also through symbolic links.
    """
    path = _relative(root, action.path)
    try:
        if any(part.lower().rstrip(". ") == ".mimo" for part in check_inside(path)):
            return EditResult(text="not written: `.mimo` belongs to git-mimo")
        before = read_inside(root, path)
        made = _new_content(action, path, before)
        if isinstance(made, EditResult):
            return made
        data, report = made
        if before is not None and data == before:
            return EditResult(text=f"`{path}` is like that already, byte for byte", is_right=True)
        write_inside(root, path, data)
    except MimoError as exc:
        return EditResult(text=f"not written: {exc.message}")
    return EditResult(text=report + _syntax_remark(path, before, data), path=path)


def read_lines(root: Path, action: Action, *, most: int) -> tuple[str, bool]:
    """A file's lines with their numbers, as READ asks for them, and whether it could be read.

    At most `most` characters: what is longer ends at a whole line, and the first line left out is named.
    """
    path = _relative(root, action.path)
    if (root / path).is_dir() and not (root / path).is_symlink():
        names = sorted(f"{item.name}/" if item.is_dir() else item.name for item in (root / path).iterdir())
        return f"`{path}` is a directory\n{as_data(chr(10).join(names)[:most])}", True
    try:
        data = read_inside(root, path)
    except MimoError as exc:
        return f"not read: {exc.message}", False
    if data is None:
        return f"not read: there is no file `{path}`", False
    text, _ = _decoded(data)
    if "\0" in text:
        return f"not read: `{path}` is a binary file of {len(data)} bytes", False
    lines = text.replace("\r\n", "\n").removesuffix("\n").split("\n")
    first = min(max(1, action.first), len(lines))
    last = min(action.last or len(lines), len(lines))
    shown, size = first - 1, 0
    while shown < last and size + len(lines[shown]) + 7 <= most:
        size += len(lines[shown]) + 7
        shown += 1
    if shown < first:  # one line alone is too long
        line = lines[first - 1]
        return f"`{path}`: line {first} has {len(line)} characters\n{as_data(escape_controls(line[:most]))}", True
    span = f"lines {first} to {shown} of {len(lines)}" if shown - first + 1 < len(lines) else f"{shown} lines"
    rest = f"; read on with first={shown + 1}" if shown < last else ""
    text = as_data(escape_controls(numbered(lines[first - 1 : shown], first)))
    return f"`{path}`: {span}{rest}\n{text}", True


def _relative(root: Path, path: str) -> str:
    """A path as the worktree knows it: models often give the absolute one."""
    prefix = f"{root}/"
    return path[len(prefix) :] if path.startswith(prefix) else path


def _new_content(action: Action, path: str, before: bytes | None) -> tuple[bytes, str] | EditResult:
    if action.kind is ActionKind.EDIT and before is None and action.old.strip():
        return EditResult(text=f"not written: there is no file `{path}`")
    text, encoding = _decoded(before or b"")
    if "\0" in text:
        if action.kind is ActionKind.EDIT:
            return EditResult(text=f"not written: `{path}` is a binary file")
        text, encoding, before = "", "utf-8", b""
    if action.kind is ActionKind.EDIT and text.strip():
        edited = replace_passage(text, action.old, action.text, every=action.replace_all)
        if isinstance(edited, Mismatch):
            return EditResult(text=f"not written: `{path}`: {edited.reason}")
        new, report = edited.text, _show_edit(path, edited)
    else:
        new = _like_before(action, text)
        report = f"{'wrote' if before is not None else 'created'} `{path}`: {new.count(chr(10))} lines"
    try:
        return new.encode(encoding), report
    except UnicodeEncodeError as exc:
        char = new[exc.start]
        return EditResult(text=f"not written: `{path}` is in {encoding}, which has no character U+{ord(char):04X}")


def _show_edit(path: str, edited: Edited) -> str:
    """The changed lines with their numbers and three lines around them."""
    lines = edited.text.replace("\r\n", "\n").removesuffix("\n").split("\n")
    begin, end = max(1, edited.first_line - _AROUND), min(len(lines), edited.last_line + _AROUND)
    shown = lines[begin - 1 : end]
    if len(shown) > _MOST_SHOWN:
        half = _MOST_SHOWN // 2
        text = f"{numbered(shown[:half], begin)}\n  ...\n{numbered(shown[-half:], end - half + 1)}"
    else:
        text = numbered(shown, begin)
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


def _syntax_remark(path: str, before: bytes | None, data: bytes) -> str:
    """A remark when a file that could be read by its language no longer can."""
    problem = _syntax_error(path, data)
    is_new = problem and not (before and _syntax_error(path, before))
    return f"\nbut it can't be parsed any more: {problem}" if is_new else ""


def _syntax_error(path: str, data: bytes) -> str:
    """Why a file can't be parsed; empty where it can, and for languages that are not checked."""
    suffix = PurePosixPath(path).suffix
    try:
        if suffix == ".py":
            ast.parse(data)
        elif suffix == ".json":
            json.loads(data)
        elif suffix == ".toml":
            tomllib.loads(data.decode())
    except SyntaxError as exc:
        # a doubtful escape is an error only where warnings are made errors
        return "" if "escape sequence" in exc.msg else f"line {exc.lineno}: {exc.msg}"
    except ValueError as exc:
        return "" if suffix == ".py" else str(exc)
    except (RecursionError, MemoryError, OverflowError):
        return ""
    return ""
