"""The review page: one session as a self-contained HTML file."""
