"""Running commands: process groups, limits, bounded capture, sandbox."""
