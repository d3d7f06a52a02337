"""A small library for keeping track of a stock of goods."""
