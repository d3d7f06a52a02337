"""Small repositories with one realistic bug each, and the rows that try to mend them on the same local model."""
