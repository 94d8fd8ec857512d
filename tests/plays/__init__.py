"""Playbooks, roles, and what they say."""
