"""What takes hours: every fault at every kind of task, second looks, graders and benches. Not part of landing."""
