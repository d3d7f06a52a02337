"""Git hooks: what they check and carry, and how they are installed beside the user's own."""
