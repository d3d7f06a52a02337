"""In which order targets are built."""
