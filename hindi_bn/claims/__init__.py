"""What the sources claim about batch norm, put as measurable statements, and the verdicts."""
