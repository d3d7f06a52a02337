"""Packs runs of equal characters: "aaab" becomes "3ab".

Digits and backslashes of the text itself are written with a backslash in front, so that packed text can be read back.
"""

DIGITS = "0123456789"


def runs(text):
    """The runs of a text as [character, length] pairs."""
    found = []
    for char in text:
        if found and found[-1][0] == char:
            found[-1][1] += 1
        else:
            found.append([char, 1])
    return found


def escape(char):
    return "\\" + char if char in DIGITS or char == "\\" else char


def pack(text):
    """Packed text: a count before each run of two or more."""
    return "".join((str(length) if length > 1 else "") + escape(char) for char, length in runs(text))


def unpack(packed):
    """The text that was packed. Raises ValueError where a count or a backslash stands at the end."""
    result = []
    count = ""
    escaped = False
    for char in packed:
        if char in DIGITS:
            count = char
        elif char == "\\":
            escaped = True
        else:
            result.append(char * int(count or 1))
            count = ""
            escaped = False
    if count or escaped:
        raise ValueError(f"packed text ends too early: {packed!r}")
    return "".join(result)


def saved(text):
    """How many characters packing saves; negative when it costs some."""
    return len(text) - len(pack(text))
