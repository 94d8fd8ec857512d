"""Shared files."""
