"""Installing, and what goes wrong meanwhile."""
