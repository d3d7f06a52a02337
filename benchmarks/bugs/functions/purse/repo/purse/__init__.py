"""Amounts of money kept in cents."""
