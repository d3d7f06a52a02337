"""git-mimo: a coding agent that lives in git."""
