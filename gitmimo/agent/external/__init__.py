"""Other agents' programs as candidates: one small file of facts each, and one runner for all."""
