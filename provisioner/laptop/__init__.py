"""This laptop: its files, its clock, its processes, its git."""
