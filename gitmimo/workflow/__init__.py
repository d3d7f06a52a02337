"""Sessions: their phases and concurrency, and landing, the only code that moves a branch of the user."""
