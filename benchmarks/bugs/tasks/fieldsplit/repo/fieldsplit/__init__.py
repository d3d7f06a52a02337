"""Reads separated values."""
