"""The shell strategy: a model that runs commands and edits files, one reply a step."""
