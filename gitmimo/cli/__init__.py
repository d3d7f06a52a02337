"""The command line: click, rendering, and the only place that prints."""
