"""Names that fit."""
