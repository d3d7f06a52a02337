"""Batches of records."""
