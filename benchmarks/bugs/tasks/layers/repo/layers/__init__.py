"""Configuration in layers."""
