"""Fills in templates."""
