"""Amounts of money as whole cents, and how they are shared out."""


def parse_cents(text):
    """Read "12.34", "-5" or "0.5" as cents."""
    text = text.strip().replace(",", "")
    sign = -1 if text.startswith("-") else 1
    whole, _, fraction = text.lstrip("+-").partition(".")
    if len(fraction) > 2:
        raise ValueError(f"more than two decimals: {text!r}")
    return sign * (int(whole or 0) * 100 + int(fraction.ljust(2, "0")))


def format_cents(cents):
    """Write cents as "12.34"."""
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def split(cents, people):
    """Share an amount equally; shares differ by at most one cent, the larger (in size) come first.

    A refund is a negative amount and is shared the same way.
    """
    if people < 1:
        raise ValueError("nobody to share with")
    share = int(cents / people)
    rest = cents - share * people
    return [share + 1 if index < rest else share for index in range(people)]


def split_by_weight(cents, weights):
    """Share an amount by weights, rounding down; what is left goes to the largest weight."""
    total = sum(weights)
    if total <= 0:
        raise ValueError("weights must sum to more than zero")
    shares = [cents * weight // total for weight in weights]
    largest = max(range(len(weights)), key=lambda index: weights[index])
    shares[largest] += cents - sum(shares)
    return shares


def settle(paid):
    """What each person still owes (positive) or gets back (negative), given what each paid."""
    names = sorted(paid)
    fair = split(sum(paid.values()), len(names))
    return {name: fair[index] - paid[name] for index, name in enumerate(names)}
