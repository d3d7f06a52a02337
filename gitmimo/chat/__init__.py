"""The conversation: what a line means, answers from the repository, what is kept. It prints by a `Screen`."""
