"""Text for people and models: escaped, shortened, reduced to significant words; amounts as people write them."""

import re
import unicodedata

# zero-width, bidirectional, soft hyphen, interlinear, tag and variation characters; all of them hide or reorder text
_HIDDEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufffb\U000e0000-\U000e0fff]"
)
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def escape_controls(text: str, *, newlines: bool = True) -> str:
    """Replace what a terminal or a reader could be fooled by with `<U+XXXX>` or `\\xNN`.

    Tabs stay. Line feeds stay unless `newlines` is false; a carriage return before a line feed is dropped, alone it is
    shown. Covers C0, C1, DEL, lone surrogates (undecodable bytes), bidi controls, zero-width and tag characters.
    Does not cover look-alike letters.
    """
    text = text.replace("\r\n", "\n")
    text = _CONTROL.sub(_mark_control, text)
    text = _HIDDEN.sub(lambda match: f"<U+{ord(match[0]):04X}>", text)
    return text if newlines else text.replace("\n", "\\n")


def quoted(path: str) -> str:
    """A path for people: on one line, without control characters, in backquotes."""
    return f"`{escape_controls(path, newlines=False)}`"


def hidden_characters(text: str) -> tuple[str, ...]:
    """Name the hidden characters in a text, by code point and Unicode name, each once."""
    found = dict.fromkeys(_HIDDEN.findall(text) + _CONTROL.findall(text.replace("\r\n", "\n")))
    return tuple(f"U+{ord(char):04X} {unicodedata.name(char, 'CONTROL')}" for char in found)


def _mark_control(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:
        code -= 0xDC00  # surrogateescape: the byte itself
    return f"\\x{code:02x}" if code < 0x100 else f"<U+{code:04X}>"


def one_line(text: str, most: int = 80) -> str:
    """Return the text with its white space collapsed, cut to `most` characters; a cut text ends in `…`."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}…"


def cut_middle(text: str, most: int, *, pointer: str = "") -> str:
    """Return a longer text as its first and last `most / 2` characters, with a line between them that counts the rest.

    Cuts at line ends where there are any near. `pointer` says where the whole text can be found.
    """
    if len(text) <= most:
        return text
    half = most // 2
    head, tail = text[:half], text[len(text) - half :]
    if (at := head.rfind("\n", half - half // 4)) > 0:
        head = head[:at]
    if (at := tail.find("\n", 0, half // 4)) >= 0:
        tail = tail[at + 1 :]
    first, last = head.count("\n") + 2, text.count("\n") - tail.count("\n")
    lines = f"lines {first} to {last}, " if last > first else ""
    whole = f"; whole: {pointer}" if pointer else ""
    return f"{head}\n[{lines}{len(text) - len(head) - len(tail)} characters left out{whole}]\n{tail}"


def as_data(text: str) -> str:
    """A text from outside between marks that it can't close itself."""
    safe = text.replace("</output", "<\\/output")
    return f"<output>\n{safe}\n</output>"


# English words that are no help in comparing texts
STOP_WORDS = frozenset(
    re.findall(
        r"\w+",
        "a about after all also an and any are as at be because been before being but by can could did do "
        "does done each every for from give has have here how i if in into is it its just made make many may me "
        "might must my need needs new no not now of on one only or other our out over please same see shall should "
        "show so some such than that the their them then there these they this those through to too under up us "
        "use used using very want was way we were what when where which who whose why will with without would "
        "you your",
    )
)
# Fewer, for tasks and skills: "only" or "after" may be what tells two tasks apart
_COMMON = frozenset(
    re.findall(
        r"\w+",
        "a an the is are be been of to in on for and or with by this that these it its as at from i we you "
        "please should must can could would will need needs want now not no so also there which what when "
        "then than into all any each make made do does use used using my our us new some",
    )
)
_PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+(?:\.[0-9]+)*")


def words_of(text: str) -> list[str]:
    """The significant words of a text in order, lower case, identifiers split, endings cut; may repeat."""
    parts = (part.lower() for part in _PARTS.findall(text))
    return [_stem(part) for part in parts if len(part) > 1 and part not in _COMMON]


def _stem(word: str) -> str:
    for ending, rest in (("ies", "y"), ("sses", "ss"), ("ing", ""), ("ed", ""), ("es", "e"), ("s", "")):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            word = word.removesuffix(ending) + rest
            break
    return word.removesuffix("e") if len(word) > 3 else word


def usd(amount: float) -> str:
    """US dollars: no digits for nothing, more for little."""
    if not amount:
        return "$0"
    return f"${amount:.4f}" if amount < 0.1 else f"${amount:,.2f}"


def seconds(amount: float) -> str:
    """A duration: `4.2s`, `1m07s`, `2h05m`."""
    if amount < 60:
        return f"{amount:.1f}s" if amount < 10 else f"{amount:.0f}s"
    minutes, rest = divmod(round(amount), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02d}m" if hours else f"{minutes}m{rest:02d}s"


def tokens(amount: int) -> str:
    """A number of tokens, shortened from ten thousand on."""
    return str(amount) if amount < 10_000 else f"{amount / 1000:.0f}k" if amount < 1_000_000 else f"{amount / 1e6:.1f}M"


def counted(number: int, noun: str) -> str:
    """How many of a thing there are: `1 file`, `2 files`."""
    return f"{number:,} {noun if number == 1 else noun + 's'}"
