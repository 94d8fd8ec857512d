"""Monitoring: what was found, as numbers that Prometheus reads."""
