"""From an office's dossier to installed machines, for the technicians of a network of IT co-ops."""

__version__ = "0.1.0.dev0"
