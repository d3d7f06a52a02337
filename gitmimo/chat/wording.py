"""How a conversation says amounts and names, and understands yes and no."""


def is_yes(answer: str | None, *, default: bool) -> bool:
    """Whether an answer agrees; nobody's answer does not."""
    if answer is None:
        return False
    word = answer.strip().lower()
    return word in ("y", "yes") or (default and not word)


def has_option(options: list[str], *names: str) -> bool:
    """Whether one of the options is given."""
    return any(option.startswith(names) for option in options)


def last_part(name: str) -> str:
    """A model's name without its provider."""
    return name.rpartition("/")[2]


def first_line(text: str) -> str:
    """A text on one short line."""
    line = " ".join(text.split())
    return line if len(line) <= 80 else f"{line[:79]}…"


def usd(amount: float) -> str:
    """An amount of money."""
    return "$0" if not amount else f"${amount:.4f}" if amount < 0.1 else f"${amount:.2f}"


def count(amount: int) -> str:
    """A number of tokens."""
    return str(amount) if amount < 1_000 else f"{amount / 1000:.1f}k"
