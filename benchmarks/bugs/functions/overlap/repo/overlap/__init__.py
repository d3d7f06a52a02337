"""Rectangles on a page."""
