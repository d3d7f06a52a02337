"""Previews of longer texts."""
