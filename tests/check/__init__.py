"""Offices judged from afar: subjects as pure cases, and what is broken on real machines."""
