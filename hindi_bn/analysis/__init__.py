"""From runs to numbers: the published facts, comparisons, scores and the written report."""
