"""Teams of players."""
