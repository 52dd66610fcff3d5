"""One function a figure: DataFrame in, Axes out; saving is one function in `style`."""
