"""Quantiles of measurements."""
