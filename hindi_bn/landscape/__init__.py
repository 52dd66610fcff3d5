"""The loss around a network's weights: surfaces, along the gradient, curvature.

Everything is computed on a fixed, class-balanced part of the training images (`subset`), and leaves
the network, the run and the random stream as they were.
"""
