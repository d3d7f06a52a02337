"""Files that hold test configuration beside the product's own matters: the former from base, the rest as it is."""

import configparser
import json
import re
import tomllib
from pathlib import PurePosixPath
from typing import Any

_TOML_TABLES = (("tool", "pytest"), ("tool", "coverage"), ("tool", "tox"), ("tool", "nox"), ("tool", "hatch", "envs"))
_INI_SECTIONS = re.compile(r"tool:pytest|pytest|tox|testenv.*|coverage:.*|aliases|nosetests|unittest")
_JSON_KEYS = ("jest", "vitest", "mocha", "ava", "tap", "c8", "nyc", "wtr")
_JSON_SCRIPTS = re.compile(r"(?:pre|post)?test(?::.*)?|(?:pre|post)install|prepare")


def is_shared(path: str) -> bool:
    """Whether a file holds both."""
    return PurePosixPath(path).name in ("pyproject.toml", "setup.cfg", "package.json")


def with_base_config(path: str, base: bytes | None, product: bytes) -> bytes:
    """The product's file with the base's test configuration; the product's own bytes when that is equal already.

    When the two can't be put together so that the result reads as wanted, the base's whole file is used.
    """
    name = PurePosixPath(path).name
    if name != "setup.cfg" and not _is_valid(name, product):
        return product  # whatever reads it will refuse it
    merge = {"pyproject.toml": _merge_toml, "setup.cfg": _merge_ini, "package.json": _merge_json}[name]
    try:
        return merge(base or b"", product)
    except (ValueError, KeyError, TypeError, AttributeError, configparser.Error):
        return base or b""


def _is_valid(name: str, data: bytes) -> bool:
    try:
        document = json.loads(data) if name == "package.json" else tomllib.loads(data.decode())
    except ValueError:
        return False
    return isinstance(document, dict)


# --- pyproject.toml --------------------------------------------------------------------------------------------------


def _merge_toml(base: bytes, product: bytes) -> bytes:
    old, new = tomllib.loads(base.decode()), tomllib.loads(product.decode())
    wanted, rest = _split_toml(old)[0], _split_toml(new)[1]
    if _split_toml(new)[0] == wanted:
        return product
    kept = "".join(text for key, text in _toml_blocks(product.decode()) if not _is_test_table(key))
    added = "".join(text for key, text in _toml_blocks(base.decode()) if _is_test_table(key))
    merged = kept.rstrip("\n") + "\n\n" + added
    if _split_toml(tomllib.loads(merged)) != (wanted, rest):
        raise ValueError("the sections cannot be told apart")
    return merged.encode()


def _split_toml(document: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The tables of test configuration, and a copy of the document without them."""
    rest: dict[str, Any] = json.loads(json.dumps(document, default=str))
    taken: dict[str, Any] = {}
    for table in _TOML_TABLES:
        node: Any = rest
        for part in table[:-1]:
            node = node.get(part) if isinstance(node, dict) else None
        if isinstance(node, dict) and table[-1] in node:
            taken[".".join(table)] = node.pop(table[-1])
    for parent in (("tool", "hatch"), ("tool",)):
        holder: Any = rest
        for part in parent[:-1]:
            holder = holder.get(part, {})
        if isinstance(holder, dict) and holder.get(parent[-1]) == {}:
            del holder[parent[-1]]
    return taken, rest


def _toml_blocks(text: str) -> list[tuple[str, str]]:
    """Pieces of the text, each from one table header to the next, with the header's dotted key."""
    blocks: list[tuple[str, list[str]]] = [("", [])]
    for line in text.splitlines(keepends=True):
        if header := re.match(r"\[\[?\s*([^\]]+?)\s*\]\]?\s*(?:#.*)?$", line):
            blocks.append((re.sub(r"\s*\.\s*", ".", header[1]).replace('"', ""), []))
        blocks[-1][1].append(line)
    return [(key, "".join(lines)) for key, lines in blocks]


def _is_test_table(key: str) -> bool:
    return any(key == ".".join(table) or key.startswith(".".join(table) + ".") for table in _TOML_TABLES)


# --- setup.cfg -------------------------------------------------------------------------------------------------------


def _merge_ini(base: bytes, product: bytes) -> bytes:
    old, new = _parse_ini(base), _parse_ini(product)
    wanted = {name: old[name] for name in old if _INI_SECTIONS.fullmatch(name)}
    if {name: new[name] for name in new if _INI_SECTIONS.fullmatch(name)} == wanted:
        return product
    kept = "".join(text for name, text in _ini_blocks(product.decode()) if not _INI_SECTIONS.fullmatch(name))
    added = "".join(text for name, text in _ini_blocks(base.decode()) if _INI_SECTIONS.fullmatch(name))
    merged = (kept.rstrip("\n") + "\n\n" + added).encode()
    expected = {**{name: new[name] for name in new if not _INI_SECTIONS.fullmatch(name)}, **wanted}
    if _parse_ini(merged) != expected:
        raise ValueError("the sections cannot be told apart")
    return merged


def _parse_ini(data: bytes) -> dict[str, dict[str, str | None]]:
    parser = configparser.RawConfigParser(allow_no_value=True, strict=False)
    parser.read_string(data.decode())
    return {name: dict(parser.items(name)) for name in parser.sections()}


def _ini_blocks(text: str) -> list[tuple[str, str]]:
    blocks: list[tuple[str, list[str]]] = [("", [])]
    for line in text.splitlines(keepends=True):
        if header := re.match(r"\[([^\]]+)\]", line):
            blocks.append((header[1].strip(), []))
        blocks[-1][1].append(line)
    return [(name, "".join(lines)) for name, lines in blocks]


# --- package.json ----------------------------------------------------------------------------------------------------


def _merge_json(base: bytes, product: bytes) -> bytes:
    old, new = json.loads(base or b"{}"), json.loads(product)
    merged = json.loads(product)
    for key in _JSON_KEYS:
        _copy(old, merged, key)
    scripts = merged.setdefault("scripts", {})
    for key in {*scripts, *old.get("scripts", {})}:
        if _JSON_SCRIPTS.fullmatch(key):
            _copy(old.get("scripts", {}), scripts, key)
    if not scripts and "scripts" not in new:
        del merged["scripts"]
    return product if merged == new else (json.dumps(merged, indent=2, ensure_ascii=False) + "\n").encode()


def _copy(source: dict[str, Any], target: dict[str, Any], key: str) -> None:
    if key in source:
        target[key] = source[key]
    else:
        target.pop(key, None)
