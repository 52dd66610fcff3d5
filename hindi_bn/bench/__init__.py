"""Measuring: our training against the notebook's way, and against what the machine can do."""
