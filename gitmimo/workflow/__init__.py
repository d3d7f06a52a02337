"""The conductor: phases of a session, concurrency, and the one door to a branch."""
