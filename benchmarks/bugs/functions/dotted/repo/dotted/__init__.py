"""Settings of an application."""
