"""Matrices, step by step."""
