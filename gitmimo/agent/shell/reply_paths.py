"""Paths as models write them around code: in headers, after a fence, in a first comment."""

import re

_BARE_NAMES = {
    "makefile",
    "dockerfile",
    "license",
    "readme",
    "procfile",
    "gemfile",
    "rakefile",
    "justfile",
    "changelog",
}
_PATH = re.compile(r"^(?!\d+(?:\.\d+)*$)[\w.@+\-\[\]()~ /\\]*[\w\])]$")
_EXTENSION = re.compile(r"(?:^|[/\w\])-])\.(?!\d+$)\w{1,12}$")
_COMMENT = re.compile(
    r"^\s*(?:#|//|--|;|%|/\*|<!--|\(\*|\"\"\")\s*(?:(?P<label>FILE(?:NAME)?|PATH)\s*:\s*)?(?P<path>[^\s:]+)\s*"
    r"(?:\*/|-->|\*\)|\"\"\")?\s*$",
    re.IGNORECASE,
)
_ATTRIBUTE = re.compile(r"\b(?:title|file|filename|path|name)\s*=\s*[\"']?([^\"'}\s]+)", re.IGNORECASE)
_REMARK = re.compile(
    r"\s*[(\[](?:new|modified|updated|changed|fixed|complete|full|whole|existing)\b[^)\]]*[)\]]\s*$", re.I
)


def clean_path(text: str) -> str:
    """Take off what models wrap a path in: quotes, stars, a remark in brackets, `./`."""
    path = text.strip()
    path = _REMARK.sub("", path)
    for _ in range(3):
        path = path.strip().strip("`*\"'<>").strip()
        path = path.removesuffix(":") if len(path) > 1 else path
    while path.startswith("./"):
        path = path[2:].lstrip("/")
    return path


def looks_like_path(text: str) -> bool:
    """Whether a text can hardly be anything but a file's path: it has a folder or an extension, and no white space."""
    if not text or len(text) > 255 or " " in text or "\\" in text or not _PATH.match(text):
        return False
    name = text.rsplit("/", 1)[-1]
    return bool(_EXTENSION.search(name)) or name.lower() in _BARE_NAMES or ("/" in text and not text.startswith("//"))


def is_path_line(line: str) -> str | None:
    """The path, if a line is nothing else: `src/x.py`, `**src/x.py**:` or `### src/x.py`."""
    path = clean_path(re.sub(r"^\s*#{1,6}\s+|^\s*[-*]\s+|^\s*\d+[.)]\s+", "", line))
    return path if looks_like_path(path) and ("." in path or path.lower() in _BARE_NAMES) else None


def comment_path(line: str) -> str | None:
    """The path in a comment that is nothing else."""
    found = _COMMENT.match(line)
    if not found or found["path"].startswith("!"):
        return None
    path = clean_path(found["path"])
    return path if looks_like_path(path) and _EXTENSION.search(path) else None


def info_language(info: str) -> str:
    """The language of a fence's info string, in lower case; empty if there is none."""
    first = re.split(r"[\s:,{]", info.strip().lstrip("{."), maxsplit=1)[0].lower()
    return "" if looks_like_path(first) else first


def info_path(info: str, *, is_shell: bool) -> str | None:
    """The path in a fence's info string: `python:src/x.py`, `python src/x.py`, `python title="src/x.py"`."""
    found = _ATTRIBUTE.search(info)
    if found:
        return clean_path(found[1])
    words = info.split()
    named = [word.split(":", 1)[1] for word in words[:1] if ":" in word]
    if not is_shell:
        named += words
    return next((clean_path(word) for word in named if looks_like_path(clean_path(word))), None)
