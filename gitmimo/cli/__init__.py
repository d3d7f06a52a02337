"""The command line: click commands and rendering, the only package that prints."""
