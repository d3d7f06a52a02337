"""Run-length packing."""
