"""Numbers of runs: metrics, intervals, pairs, tables."""
