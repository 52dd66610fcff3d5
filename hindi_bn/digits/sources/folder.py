"""A folder that the user has, with Train and Test at any depth."""

ORDER = None
