"""Judging products: gates, test results, critic, verdict. Knows nothing of who made them."""
