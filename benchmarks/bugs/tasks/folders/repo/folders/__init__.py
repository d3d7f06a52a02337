"""Paths as text."""
