"""Monitoring: rules, what is rendered, the exporter, the status page."""
