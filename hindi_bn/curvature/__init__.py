"""The Hessian of a network's loss: products with it, and its eigenvalues."""
