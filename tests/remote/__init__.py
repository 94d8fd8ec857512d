"""The way in for maintenance: offices, their hub, and who comes."""
