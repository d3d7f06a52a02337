"""The man page, the command reference and the completions, all made from what `-h` shows."""
