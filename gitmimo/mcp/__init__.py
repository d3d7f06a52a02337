"""git-mimo for other tools, over the Model Context Protocol: things to read, and `start` to ask for."""
