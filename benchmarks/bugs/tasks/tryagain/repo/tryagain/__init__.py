"""Calls things again."""
