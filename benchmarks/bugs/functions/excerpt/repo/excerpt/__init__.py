"""Parts of a source file."""
