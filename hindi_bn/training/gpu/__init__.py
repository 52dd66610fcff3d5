"""Training on CUDA: graphs, and many networks at once."""
