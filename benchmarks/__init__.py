"""Benchmarks: what git-mimo does beside other tools, measured in one run."""
