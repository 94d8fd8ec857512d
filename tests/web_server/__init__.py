"""The one web server of a machine."""
