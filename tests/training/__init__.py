"""Training: courses as data, a trainee's way, the grader, the certificates."""
