"""The patch strategy for small and local models: localises the fault, asks for code, tries small edits."""
