"""`hindi-bn landscape`: the loss around a network's weights, a file per command."""
