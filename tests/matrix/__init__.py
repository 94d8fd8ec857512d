"""The matrix of faults: a run is broken off at each boundary between its tasks, in every way, and taken up again."""
