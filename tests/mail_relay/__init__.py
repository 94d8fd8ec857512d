"""Mail of the machines."""
