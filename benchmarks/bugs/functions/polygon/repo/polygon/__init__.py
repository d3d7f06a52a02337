"""Plots of land."""
