"""Bookings of a room."""
