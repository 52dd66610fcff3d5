"""How many runs are carried out: in worker processes here, or on a Ray cluster."""
