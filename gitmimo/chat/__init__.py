"""The conversation: reading a line, and what it means."""
