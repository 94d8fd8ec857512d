"""The website: its builder, its law, its verbs."""
