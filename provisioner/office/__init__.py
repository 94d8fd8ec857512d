"""Offices and their people, written by verbs: new, replaced, renewed, left; and an inventory of one's own."""
