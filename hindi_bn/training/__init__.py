"""Training: the notebook's random stream, the loop, what is captured, and a run's start to end."""
