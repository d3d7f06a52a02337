"""Prices by quantity."""
