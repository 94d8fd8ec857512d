"""Routers: what is rendered, and the push that goes back by itself."""
