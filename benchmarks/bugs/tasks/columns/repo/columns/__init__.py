"""Text in columns."""
