"""Folders of a project."""
