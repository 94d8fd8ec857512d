"""The verbs: one file per group; each parses, asks, prints and exits; decides nothing."""
