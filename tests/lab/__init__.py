"""Virtual offices, and the light ones of other tests."""
