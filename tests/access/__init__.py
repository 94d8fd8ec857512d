"""Who may log in, and who no longer."""
