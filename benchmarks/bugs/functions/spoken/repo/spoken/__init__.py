"""Numbers as they are spoken."""
