"""Amounts of money, kept as whole cents."""


def show(cents, currency=""):
    """An amount as text: commas between thousands, two decimals, a minus sign in front of everything below zero.

    show(1234567) is "12,345.67" and show(500, "EUR ") is "EUR 5.00".
    """
    sign = "-" if cents < 0 else ""
    whole, rest = divmod(cents, 100)
    return f"{sign}{currency}{abs(whole):,}.{rest:02d}"


def statement(bookings, start=0):
    """Lines of a bank statement, each with the text, the amount and the balance after it."""
    lines = []
    balance = start
    for text, cents in bookings:
        balance += cents
        lines.append(f"{text}: {show(cents)} ({show(balance)})")
    return lines
