"""All git access: pygit2, the git binary and unidiff live here and nowhere else."""
