"""Pages made for people: the HTML review."""
