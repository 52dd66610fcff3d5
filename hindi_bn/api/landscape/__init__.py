"""The loss around a network's weights, a file per result; `results` writes them."""
