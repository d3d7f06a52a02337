"""For small and local models: the harness finds the place, asks for code, and searches small edits itself."""
