"""Days of practice."""
