"""Limits how often something is done."""
