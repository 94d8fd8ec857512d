"""What was done, and its record."""
