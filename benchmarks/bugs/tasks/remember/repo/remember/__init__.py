"""A cache for functions."""
