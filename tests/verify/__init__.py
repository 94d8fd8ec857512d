"""Proofs as a user."""
