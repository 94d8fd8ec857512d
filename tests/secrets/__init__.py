"""Secrets, and where they must not be."""
