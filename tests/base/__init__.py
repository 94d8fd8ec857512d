"""How hard every machine is."""
