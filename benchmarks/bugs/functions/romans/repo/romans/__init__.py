"""Numbers of chapters."""
