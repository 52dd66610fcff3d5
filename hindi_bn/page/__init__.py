"""The page: one HTML file with a study's networks aboard, to touch without a server or network.

`aboard` gathers what a page holds, `html` joins it with the sources in `source/`.
"""
