"""Records: their verdict, their chain, their verbs."""
