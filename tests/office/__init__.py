"""Offices and their people."""
