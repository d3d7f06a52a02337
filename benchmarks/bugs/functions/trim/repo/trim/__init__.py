"""Means of measurements."""
