"""What is kept, and put back."""
