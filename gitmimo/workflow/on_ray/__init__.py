"""Candidates and evaluations as Ray tasks, on machines that share nothing with this one but bundles."""
