"""What a failure means, in a sentence."""
