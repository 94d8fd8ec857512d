"""What a person sits at."""
