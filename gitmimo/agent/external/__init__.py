"""Other agents as candidates: one adapter file for each program, and one runner for all."""
