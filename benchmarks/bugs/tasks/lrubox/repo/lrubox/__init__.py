"""A bounded cache."""
