"""Maps made of text."""
