"""Amounts as people write them: money, durations, tokens, and how many of a thing."""


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
