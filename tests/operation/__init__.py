"""One piece of work at a time."""
