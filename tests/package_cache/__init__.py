"""Packages on their way."""
