"""Text from outside, made safe to show: control, bidirectional and invisible characters become visible marks."""

import re
import unicodedata

# zero-width, bidirectional, soft hyphen, interlinear, tag and variation characters; all of them hide or reorder text
_HIDDEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufffb\U000e0000-\U000e0fff]"
)
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def visible(text: str, *, newlines: bool = True) -> str:
    """Replace what a terminal or a reader could be fooled by with `<U+XXXX>` or `\\xNN`.

    Tabs stay. Line feeds stay unless `newlines` is false; a carriage return before a line feed is dropped, alone it is
    shown. Covers C0, C1, DEL, lone surrogates (undecodable bytes), bidi controls, zero-width and tag characters.
    Does not cover look-alike letters.
    """
    text = text.replace("\r\n", "\n")
    text = _CONTROL.sub(_mark_control, text)
    text = _HIDDEN.sub(lambda match: f"<U+{ord(match[0]):04X}>", text)
    return text if newlines else text.replace("\n", "\\n")


def has_hidden(text: str) -> tuple[str, ...]:
    """Name the hidden characters in a text, by code point and Unicode name, each once."""
    found = dict.fromkeys(_HIDDEN.findall(text) + _CONTROL.findall(text.replace("\r\n", "\n")))
    return tuple(f"U+{ord(char):04X} {unicodedata.name(char, 'CONTROL')}" for char in found)


def _mark_control(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:
        code -= 0xDC00  # surrogateescape: the byte itself
    return f"\\x{code:02x}" if code < 0x100 else f"<U+{code:04X}>"
