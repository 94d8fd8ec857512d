"""The machines: who they are, what they say."""
