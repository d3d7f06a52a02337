"""Settings in plain text."""
