"""Amounts of money as text. They are kept as whole cents."""


def format_cents(cents, currency="EUR"):
    """The amount with two decimals, a comma between thousands and the currency: "1,234.05 EUR".

    A negative amount is written like the positive one, with "-" in front.
    """
    sign = "-" if cents < 0 else ""
    whole, rest = divmod(cents, 100)
    return f"{sign}{whole:,}.{rest:02d} {currency}"


def receipt(lines):
    """A line for each pair (name, cents), amounts aligned to the right, and one for the sum."""
    lines = [*lines, ("total", sum(cents for _, cents in lines))]
    left = max(len(name) for name, _ in lines)
    right = max(len(format_cents(cents)) for _, cents in lines)
    return [f"{name:<{left}} {format_cents(cents):>{right}}" for name, cents in lines]
