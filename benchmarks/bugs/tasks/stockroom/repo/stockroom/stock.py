"""What is in stock, what is reserved, and for whom."""


class OutOfStock(Exception):
    """There is not enough of an item."""

    def __init__(self, item, wanted, available):
        super().__init__(f"{item}: {wanted} wanted, {available} there")
        self.item = item
        self.wanted = wanted
        self.available = available


class Stock:
    """Counts goods by name."""

    def __init__(self, counts):
        self.counts = dict(counts)
        self.orders = {}

    def available(self, item):
        return self.counts.get(item, 0)

    def reserve(self, order, lines):
        """Take goods for an order; `lines` are (item, count) pairs and an item may appear more than once.

        Everything is taken or, with OutOfStock, nothing. An order can be extended by reserving again.
        """
        taken = self.orders.setdefault(order, {})
        for item, count in lines:
            if count > self.available(item):
                raise OutOfStock(item, count, self.available(item))
            self.counts[item] -= count
            taken[item] = taken.get(item, 0) + count

    def release(self, order):
        """Put back what an order holds; unknown orders are ignored."""
        for item, count in self.orders.pop(order, {}).items():
            self.counts[item] = self.available(item) + count

    def report(self):
        """Lines of "item: there (reserved)" in order of name."""
        reserved = {}
        for taken in self.orders.values():
            for item, count in taken.items():
                reserved[item] = reserved.get(item, 0) + count
        return [f"{item}: {self.counts[item]} ({reserved.get(item, 0)})" for item in sorted(self.counts)]
