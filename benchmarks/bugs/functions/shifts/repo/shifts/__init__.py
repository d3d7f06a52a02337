"""Who works on which day."""
