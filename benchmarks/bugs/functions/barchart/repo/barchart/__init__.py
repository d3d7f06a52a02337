"""Charts for the terminal."""
