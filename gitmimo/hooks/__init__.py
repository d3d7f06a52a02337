"""Git hooks: their checks, the notes they carry to new commits, and their installation beside the user's own."""
