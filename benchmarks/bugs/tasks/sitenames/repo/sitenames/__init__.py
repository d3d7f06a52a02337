"""Addresses of pages on a static site."""
