"""The technician's laptop."""
