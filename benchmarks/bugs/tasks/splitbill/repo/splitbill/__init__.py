"""Splits amounts of money."""
