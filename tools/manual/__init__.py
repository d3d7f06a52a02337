"""The man page, the command reference, the prompts and the schemas, all made from the code."""
