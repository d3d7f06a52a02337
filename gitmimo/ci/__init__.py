"""Evidence found again by a machine that believes nothing, and told in the forms that forges read."""
