"""The people, on every machine."""
