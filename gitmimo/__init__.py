"""git-mimo: a coding agent that lives in git."""

__version__ = "0.1.0"
