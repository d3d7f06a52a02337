"""Streaks of days in a habit diary."""
