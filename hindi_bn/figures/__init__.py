"""One function per figure: DataFrame in, Axes out; saving is one function in `style`."""
