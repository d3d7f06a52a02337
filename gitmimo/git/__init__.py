"""All git access: the only package that uses pygit2, the git binary and unidiff."""
