"""Evaluates expressions with + - * / ** and parentheses, by recursive descent."""

from calc.tokens import tokenize


class Parser:
    """Reads tokens from the front; each method returns the value of what it read."""

    def __init__(self, text):
        self.tokens = tokenize(text)

    def peek(self):
        return self.tokens[0] if self.tokens else None

    def take(self):
        if not self.tokens:
            raise SyntaxError("the expression ends too early")
        return self.tokens.pop(0)

    def sum(self):
        """Terms joined by + and -."""
        value = self.product()
        if self.peek() in ("+", "-"):
            if self.take() == "+":
                return value + self.sum()
            return value - self.sum()
        return value

    def product(self):
        """Powers joined by * and /."""
        value = self.power()
        if self.peek() in ("*", "/"):
            if self.take() == "*":
                return value * self.product()
            return value / self.product()
        return value

    def power(self):
        """A ** B, from right to left; a sign in front of A belongs to the whole power."""
        if self.peek() == "-":
            self.take()
            return -self.power()
        base = self.atom()
        if self.peek() == "**":
            self.take()
            return base ** self.power()
        return base

    def atom(self):
        token = self.take()
        if token == "(":
            value = self.sum()
            if self.take() != ")":
                raise SyntaxError("a parenthesis is not closed")
            return value
        if isinstance(token, float):
            return token
        raise SyntaxError(f"unexpected {token!r}")


def evaluate(text):
    """The value of an expression."""
    parser = Parser(text)
    value = parser.sum()
    if parser.peek() is not None:
        raise SyntaxError(f"unexpected {parser.peek()!r}")
    return value
