"""Python: scripts for the sandbox, run by the project's interpreter with the standard library only."""
