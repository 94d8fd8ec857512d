"""What a laptop lacks."""
