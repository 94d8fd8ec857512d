"""Many offices over several workers: jobs, PostgreSQL, workers that are killed."""
