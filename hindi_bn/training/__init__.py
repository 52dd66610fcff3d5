"""Training: the notebook's random stream, the loop, what is recorded, and a run's start to end."""
