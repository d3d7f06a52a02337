"""Markdown files with a YAML header: read by PyYAML, every scalar as the text it is, and written in one plain form.

Refused: tags, anchors, aliases, a key that comes twice, hidden characters, more than 32 KiB of header. So every reader
parses a header alike.
"""

import json
from collections.abc import Mapping
from typing import Any

import yaml

from gitmimo.errors import BadMemory
from gitmimo.text import hidden_characters

_MAX_HEADER = 32_768
_REFUSED = (yaml.AliasToken, yaml.AnchorToken, yaml.TagToken)


def read_document(data: bytes, *, max_bytes: int) -> tuple[Mapping[str, Any], str]:
    """Return header and body. BadMemory when there is no header, or it breaks a rule."""
    if len(data) > max_bytes:
        raise BadMemory(f"larger than {max_bytes} bytes: {len(data)}")
    try:
        text = data.decode().replace("\r\n", "\n")
    except UnicodeDecodeError as exc:
        raise BadMemory("not UTF-8") from exc
    if hidden := hidden_characters(text):
        raise BadMemory(f"hidden characters: {', '.join(hidden[:3])}")
    opening, _, rest = text.partition("\n")
    header, end, body = rest.partition("\n---\n")
    if opening.rstrip() != "---" or not end:
        raise BadMemory("no header between two lines `---`")
    return _parse(header), body


def write_document(header: Mapping[str, str | Mapping[str, str]], body: str) -> bytes:
    """Format a document, every value in double quotes. BadMemory for a value that other readers would cut."""
    lines = ["---"]
    for key, value in header.items():
        if isinstance(value, str):
            lines.append(f"{key}: {_quoted(value)}")
        elif value:
            lines.append(f"{key}:")
            lines += [f"  {name}: {_quoted(item)}" for name, item in value.items()]
    return ("\n".join([*lines, "---", ""]) + body.strip("\n") + "\n").encode()


def _parse(header: str) -> Mapping[str, Any]:
    if len(header) > _MAX_HEADER:
        raise BadMemory(f"the header is longer than {_MAX_HEADER} characters")
    try:
        if any(isinstance(token, _REFUSED) for token in yaml.scan(header)):
            raise BadMemory("the header uses tags, anchors or aliases")
        _refuse_duplicates(yaml.compose(header, Loader=yaml.BaseLoader))
        found = yaml.load(header, Loader=yaml.BaseLoader)  # makes texts, lists and maps only
    except (yaml.YAMLError, RecursionError) as exc:
        raise BadMemory(f"the header is not valid YAML: {' '.join(str(exc).split())[:200]}") from exc
    if not isinstance(found, dict):
        raise BadMemory("the header is not a map")
    return found


def _refuse_duplicates(node: yaml.Node | None) -> None:
    if isinstance(node, yaml.MappingNode):
        keys = [key.value for key, _ in node.value]
        if duplicate := next((key for key in keys if keys.count(key) > 1), None):
            raise BadMemory(f"the header names `{duplicate}` twice")
        for _, value in node.value:
            _refuse_duplicates(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _refuse_duplicates(value)


def _quoted(text: str) -> str:
    if "---" in text or hidden_characters(text):
        raise BadMemory(f"a header can't contain this: `{text[:80]}`")
    return json.dumps(text, ensure_ascii=False)
